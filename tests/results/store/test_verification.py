"""Recorded numbers against those that predictions and labels give."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matekd_bench.cli import main
from matekd_bench.results.records.predictions import Predictions
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.merging import merge
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.verification import Verification, Verifier
from synthetic import scored

REFERENCE = min((Path(__file__).parents[3] / "results" / "reference").glob("*/runs")).parent
UIDS = tuple("abcdefgh")
CLASSES = (0, 1, 1, 0, 1, 0, 1, 1)
SCORES = (0.0, 1.0, 2.5, 4.0, 5.0, 3.0, 1.5, 0.5)
METRICS = {
    "rte": ("accuracy",),
    "cola": ("matthews",),
    "mrpc": ("accuracy", "f1"),
    "stsb": ("pearson", "spearman"),
}


def answers(columns: int, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    return Predictions(
        tuple({"dev": rng.normal(size=(8, columns)).astype(np.float32)} for _ in range(3)), {"dev": UIDS}
    )


@pytest.fixture
def store(tmp_path: Path) -> ResultsStore:
    return ResultsStore(tmp_path / "results")


def written(store: ResultsStore, make_record: Any, task: str, seed: int = 0) -> Record:
    """Write a run whose record agrees with its predictions."""
    regression = task == "stsb"
    labels = SCORES if regression else CLASSES
    predictions = answers(1 if regression else 2, seed)
    majority = {"rte": 0.625, "cola": 0.0, "mrpc": (0.625 + 10 / 13) / 2, "stsb": 0.0}[task]
    plain = make_record(
        task=task, seed=seed, majority_score=majority,
        **({"labels": []} if regression else {}),
    )  # fmt: skip
    store.write_data(f"dev-{task}", task=task, split="dev", uids=UIDS, labels=labels)
    return store.write(scored(plain, predictions, {"dev": labels}, METRICS[task]), predictions)


def forged(store: ResultsStore, run_id: str, change: Callable[[dict[str, Any]], object]) -> None:
    path = store.runs / run_id / "record.json"
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain))


def verified(store: ResultsStore) -> Verification:
    verifier = Verifier(METRICS)
    for record in store.records():
        verifier.verify(record, store)
    return verifier.result


@pytest.mark.parametrize("task", METRICS)
def test_what_was_measured_agrees(task: str, store: ResultsStore, make_record: Any) -> None:
    written(store, make_record, task)
    assert verified(store) == Verification(verified=1)


def test_the_runs_of_a_real_study_agree() -> None:
    store, verifier = ResultsStore(REFERENCE), Verifier()
    run_of_task = {record.identity.task: record for record in store.records()}
    for record in run_of_task.values():
        verifier.verify(record, store)
    assert verifier.result == Verification(verified=len(run_of_task)) != Verification()


FORGERIES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "task score": (lambda plain: plain["task_score"].update(last=0.99), "task score"),
    "best score": (lambda plain: plain["task_score"].update(best_dev=0.99), "best task score"),
    "optimism": (lambda plain: plain["task_score"].update(optimism=0.5), "optimism"),
    "curve": (lambda plain: plain["curve"][1].update(score=0.99), "evaluation 2"),
    "shorter curve": (lambda plain: plain["curve"].pop(), "3 evaluations"),
    "metric": (lambda plain: plain["scores"][0].update(value=0.99), "on dev (last)"),
    "split": (lambda plain: plain["scores"].pop(), "splits"),
    "dropped metric": (
        lambda plain: plain.update(scores=[item for item in plain["scores"] if item["metric"] != "f1"]), "accuracy, f1",
    ),
    "rows": (lambda plain: plain["scores"][0].update(n=7), "7 examples"),
    "best evaluation": (lambda plain: plain["selection"].update(best_eval=9), "evaluation 9"),
    "status": (lambda plain: plain.update(status="collapsed"), "collapsed"),
    "diverged": (lambda plain: plain.update(status="diverged"), "diverged"),
    "majority": (lambda plain: plain["data"].update(majority_score=0.1), "majority"),
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_number_is_named(forgery: str, store: ResultsStore, make_record: Any) -> None:
    run, (change, named) = written(store, make_record, "mrpc"), FORGERIES[forgery]
    forged(store, run.run_id, change)
    result = verified(store)
    assert result.verified == 0
    assert named in result.disagreeing[run.run_id]


def test_predictions_that_were_exchanged_are_named(store: ResultsStore, make_record: Any) -> None:
    first, second = (written(store, make_record, "rte", seed) for seed in (0, 1))
    (store.runs / first.run_id / "predictions.npz").write_bytes(
        (store.runs / second.run_id / "predictions.npz").read_bytes()
    )
    assert set(verified(store).disagreeing) == {first.run_id}


def test_runs_without_labels_or_predictions_are_counted(store: ResultsStore, make_record: Any) -> None:
    written(store, make_record, "rte")
    written(store, make_record, "cola")
    (store.data / "dev-cola.json").unlink()
    store.write(make_record("eda"))
    store.write(make_record("freelb", score=None))
    result = verified(store)
    assert (result.verified, len(result.unverifiable), result.disagreeing) == (1, 3, {})


def test_the_leaderboard_leaves_forged_runs_out(
    store: ResultsStore, make_record: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    honest, run = (written(store, make_record, "rte", seed) for seed in (0, 1))
    words = ["leaderboard", "--verify", "--json", "--results", str(store.root)]
    assert main(words) == 0
    capsys.readouterr()
    forged(store, run.run_id, FORGERIES["task score"][0])
    assert main(words) == 1
    printed = capsys.readouterr()
    plain = json.loads(printed.out)
    assert set(plain["verification"]["disagreeing"]) == {run.run_id}
    assert [row["rte_n"] for row in plain["rows"] if row["rte_n"]] == [1]
    assert run.run_id in printed.err
    assert honest.run_id not in printed.err


def test_a_merge_leaves_forged_runs_out(store: ResultsStore, make_record: Any, tmp_path: Path) -> None:
    honest, run = (written(store, make_record, "rte", seed) for seed in (0, 1))
    forged(store, run.run_id, FORGERIES["metric"][0])
    (tmp_path / "empty" / "runs").mkdir(parents=True)
    merged = merge([store.root, tmp_path / "empty"], tmp_path / "merged")
    assert set(merged.runs) == {honest.run_id}
    assert [run.run_id in reason for reason in merged.left_out] == [True]
