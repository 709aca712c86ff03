"""Which predictions count, and which are named and left out."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matekd_bench.results.leaderboard.evidence import Evidence
from matekd_bench.results.records.predictions import Predictions
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.results_store import ResultsStore

UIDS = ("a", "b", "c", "d")
LABELS = (0, 1, 1, 0)
LOGITS = np.array([[2, 1], [0, 1], [1, 0], [3, 2]], dtype=np.float32)  # three of four right


@pytest.fixture
def store(tmp_path: Path) -> ResultsStore:
    made = ResultsStore(tmp_path)
    made.write_data("dev-rte", task="rte", split="dev", uids=UIDS, labels=LABELS)
    return made


def written(store: ResultsStore, record: Record, logits: Any = LOGITS, uids: Any = UIDS) -> Record:
    evaluations = ({"dev": np.zeros_like(logits)}, {"dev": logits})
    return store.write(record, Predictions(evaluations, {"dev": tuple(uids)}))


def refused(store: ResultsStore, record: Record, *metrics: str) -> str:
    evidence = Evidence({record.run_id: store})
    assert evidence.answers(record, metrics or ("accuracy",)) is None
    return evidence.why_missing(record, metrics or ("accuracy",)) or ""


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [2, 0, 3, 1]])
def test_answers_are_those_of_the_last_look_matched_by_id(
    order: list[int], store: ResultsStore, make_record: Any
) -> None:
    record = written(store, make_record(score=0.75), LOGITS[order], [UIDS[place] for place in order])
    evidence = Evidence({record.run_id: store})
    answers = evidence.answers(record, ("accuracy",))
    assert answers.last[0].tolist() == [0, 1, 0, 0]
    assert answers.gold.labels[0].tolist() == list(LABELS)
    assert (answers.xfit, evidence.why_missing(record, ("accuracy",))) == (None, None)
    assert evidence.answers(record, ("accuracy",)) is answers


def test_scores_of_a_regression(store: ResultsStore, make_record: Any) -> None:
    store.write_data("dev-stsb", task="stsb", split="dev", uids=UIDS, labels=(0.0, 1.0, 2.0, 4.0))
    logits = np.array([[0.5], [1.5], [1.0], [2.5]], dtype=np.float32)
    score = (np.corrcoef((0, 1, 2, 4), logits[:, 0])[0, 1] + 0.8) / 2  # ranks 1, 3, 2, 4
    record = written(store, make_record(task="stsb", score=float(score), labels=[]), logits)
    answers = Evidence({record.run_id: store}).answers(record, ("pearson", "spearman"))
    assert answers.last[0].tolist() == [0.5, 1.5, 1.0, 2.5]


def test_what_does_not_fit_is_named(store: ResultsStore, make_record: Any) -> None:
    seeds = iter(range(99))

    def said(score: float = 0.75, logits: Any = LOGITS, uids: Any = UIDS) -> str:
        return refused(store, written(store, make_record(seed=next(seeds), score=score), logits, uids))

    assert "the recorded one" in said(score=0.7)
    for uids in ("abce", "aabc"):
        assert "for dev " in said(uids=uids)
    for value in (np.nan, np.inf):
        assert "NaN" in said(logits=np.where(LOGITS == 3, value, LOGITS))


def test_what_is_not_there_is_named(store: ResultsStore, make_record: Any, tmp_path: Path) -> None:
    assert refused(store, store.write(make_record(score=0.75))) == "no predictions were recorded."
    other = written(store, make_record(task="mrpc", score=0.75))
    assert refused(store, other).endswith("has no data set 'dev-mrpc'.")
    assert "accuracy, bleu" in refused(store, other, "accuracy", "bleu")
    evidence = Evidence({})
    assert evidence.answers(other, ("accuracy",)) is None
    assert "folder" in evidence.why_missing(other, ("accuracy",))


def test_a_reason_is_of_the_metrics_that_were_asked_for(store: ResultsStore, make_record: Any) -> None:
    """A diverged run does not name its metrics, so its scores alone say less than those of its column."""
    record = written(store, make_record(score=0.75))
    evidence = Evidence({record.run_id: store})
    assert "(none)" in evidence.why_missing(record, ())
    assert evidence.why_missing(record, ("accuracy",)) is None
    assert evidence.answers(record, ("accuracy",)) is not None


def test_a_file_that_was_changed_is_named(store: ResultsStore, make_record: Any) -> None:
    record = written(store, make_record(score=0.75))
    file = store.runs / record.run_id / "predictions.npz"
    content = bytearray(file.read_bytes())
    content[random.Random(0).randrange(len(content))] ^= 1
    file.write_bytes(content)
    assert refused(store, record).startswith(f"{file} is damaged: ")
    file.unlink()
    assert str(file) in refused(store, record)


def test_labels_that_were_changed_are_noticed(store: ResultsStore, make_record: Any) -> None:
    record = written(store, make_record(score=0.75))
    file = store.data / "dev-rte.json"
    file.write_text(
        file.read_text().replace("[0,1,1,0]", "[0,1,1,1]").replace("[0, 1, 1, 0]", "[0, 1, 1, 1]")
    )
    assert "the recorded one" in refused(store, record)
    file.write_text(file.read_text().replace('"n"', '"m"'))
    assert "damaged data set" in refused(store, record)
