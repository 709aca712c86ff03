"""Scores on further sets in a record: they survive, and records without any keep their text."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from matekd_bench.errors import ResultsError
from matekd_bench.results.records.predictions import Predictions
from matekd_bench.results.records.run_record import from_json, to_json
from matekd_bench.results.records.set_records import SetRecord, answers_name, set_records

SCORES = {
    "name": "mnli/hans", "source": "also-dir", "revision": None, "state": "official", "state_text": "official",
    "splits": {"dev": {"n": 4, "official_n": 4, "digest": "ab12"}}, "labels": ["entailment", "non-entailment"],
    "label_map": {"neutral": "non-entailment"}, "resources": {}, "notices": ["rare"], "majority_score": 0.5,
    "scores": [{"split": "dev", "selection": "last", "metric": "accuracy", "value": 0.25, "n": 4}], "score": 0.25,
    "teacher_scores": [{"split": "dev", "selection": "last", "metric": "accuracy", "value": 0.75, "n": 4}],
    "teacher_score": 0.75,
}  # fmt: skip


def test_a_record_without_further_sets_keeps_its_text(make_record: Any) -> None:
    text = to_json(make_record())
    assert "also" not in json.loads(text)
    assert from_json(text).also == ()


def test_scores_survive_the_round_trip(make_record: Any) -> None:
    record = make_record(also=[SCORES])
    text = to_json(record)
    assert json.loads(text)["also"] == [SCORES]
    assert from_json(text) == record
    assert to_json(from_json(text)) == text


def test_a_damaged_part_is_named(make_record: Any) -> None:
    plain = json.loads(to_json(make_record(also=[SCORES])))
    plain["also"][0]["score"] = 25
    with pytest.raises(ResultsError, match=r"also.*score"):
        from_json(json.dumps(plain))


def test_a_set_is_shown_as_a_record_of_its_own(make_record: Any) -> None:
    record = make_record(task="mnli", also=[SCORES])
    [shown] = set_records([record, make_record()])
    assert isinstance(shown, SetRecord)
    assert (shown.identity.task, shown.identity.method, shown.run_id) == ("mnli/hans", "kd", record.run_id)
    assert (shown.task_score.last, shown.teacher.task_score, shown.data.majority_score) == (0.25, 0.75, 0.5)
    assert (shown.data.labels, list(shown.data.splits)) == (("entailment", "non-entailment"), ["dev"])
    assert answers_name(shown) != answers_name(record) == record.run_id


def test_predictions_of_sets_are_kept_by_the_digest_of_the_rows() -> None:
    logits = np.arange(8, dtype=np.float32).reshape(4, 2)
    evaluation = {"dev": np.zeros((3, 2), dtype=np.float32)}
    written = Predictions((evaluation,), {"dev": ("a", "b", "c")}, {"ab12": logits})
    for last_only in (False, True):
        read = Predictions.from_bytes(written.to_bytes(), last_only=last_only)
        assert (list(read.also), read.also["ab12"].tolist()) == (["ab12"], logits.tolist())
    assert Predictions.from_bytes(Predictions((evaluation,), written.uids).to_bytes()).also == {}
    with pytest.raises(ResultsError):
        Predictions((evaluation,), written.uids, {"../x": logits})
