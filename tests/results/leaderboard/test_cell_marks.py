"""What marks a cell: seeds that were added late, students that are the reference's, runs without an adversary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matekd_bench.results.leaderboard.build import build
from matekd_bench.results.leaderboard.cell_marks import added_seeds
from matekd_bench.results.leaderboard.evidence import Evidence
from matekd_bench.results.leaderboard.table import CellMarks
from matekd_bench.results.records.predictions import Predictions
from matekd_bench.results.records.run_record import SeedPlan
from matekd_bench.results.store.collection import read_folders
from matekd_bench.results.store.results_store import ResultsStore
from synthetic import scored

GAINS = {"kd": 0.0, "other": 0.5}
THREE, FIVE, MOVED = (
    SeedPlan(first=0, count=3),
    SeedPlan(first=0, count=5),
    SeedPlan(first=3, count=2),
)


def marks_of(root: Path, task: str = "rte") -> Mapping[str, CellMarks]:
    found = read_folders([root])
    (table,) = build(found.records, tasks={}, suites=(), evidence=Evidence(found.stores)).tables
    return {row.label: row.cells[task].marks for row in table.rows if task in row.cells}


@pytest.fixture
def store(tmp_path: Path, write_study: Any) -> ResultsStore:
    made: ResultsStore = write_study(tmp_path, GAINS, tasks=["rte"])
    return made


def copy_of_kd(store: ResultsStore, method: str, move: Mapping[int, Any], make_record: Any) -> None:
    """Record runs of `method` with the predictions of `kd`; `move` is added to the last logits, by seed."""
    for run in store.records():
        seed, predictions = run.identity.seed, store.read_predictions(run)
        if run.identity.method == "kd" and seed in move:
            first, last = predictions.evaluations
            moved = {"dev": (last["dev"] + np.asarray(move[seed])).astype(np.float32)}
            labels = np.array(store.read_data("dev-rte").labels)
            score = float(np.mean(moved["dev"].argmax(axis=1) == labels))
            store.write(
                make_record(method, "rte", seed, score), Predictions((first, moved), predictions.uids)
            )


@pytest.mark.parametrize(
    ("move", "same"),
    [
        ({0: 0.0, 1: 5e-5, 2: 0.0}, True),
        ({0: 0.0, 1: 2e-4, 2: 0.0}, False),  # the same labels, from other logits
        ({1: 0.0}, True),
        ({}, False),
    ],
)
def test_students_that_are_the_references_are_marked(
    move: Mapping[int, float], same: bool, store: ResultsStore, make_record: Any
) -> None:
    copy_of_kd(store, "copy", move, make_record)
    marks = marks_of(store.root)
    assert [label for label, mark in marks.items() if mark.same_as] == ["copy"] * same
    assert not same or (marks["copy"].same_as, marks["copy"].answers_changed) == ("kd", 0)


def test_the_share_of_changed_answers_is_a_mean_over_common_seeds(
    store: ResultsStore, make_record: Any
) -> None:
    flip = np.zeros((240, 2))
    flip[:24] = [2.0, -2.0]  # all of the first 24 become class 0
    copy_of_kd(store, "copy", {0: flip, 2: 0.0}, make_record)
    runs = {(run.identity.method, run.identity.seed): run for run in store.records()}
    before, after = (
        store.read_predictions(runs[method, 0]).evaluations[-1]["dev"].argmax(axis=1)
        for method in ("kd", "copy")
    )
    share = float(np.mean(before != after))
    marks = marks_of(store.root)
    assert 0 < share <= 0.1
    assert marks["copy"].answers_changed == pytest.approx(share / 2)
    assert (marks["copy"].same_as, marks["kd"].answers_changed) == (None, None)


def test_scores_of_a_regression_are_compared_in_standard_deviations(tmp_path: Path, make_record: Any) -> None:
    store, uids, labels = ResultsStore(tmp_path), tuple("abcd"), np.array([1.0, 2.0, 3.0, 5.0])
    store.write_data("dev-rte", task="rte", split="dev", uids=uids, labels=labels.tolist())
    moves = {"kd": 0.0, "near": 5e-5, "far": 0.5}
    for method, move in moves.items():
        logits = (np.arange(4.0)[:, None] + move).astype(np.float32)
        predictions = Predictions(({"dev": logits},), {"dev": uids})
        record = scored(make_record(method, labels=()), predictions, {"dev": labels}, ("pearson",))
        store.write(record, predictions)
    marks = marks_of(tmp_path)
    assert {label: mark.same_as for label, mark in marks.items()} == {"kd": None, "near": "kd", "far": None}
    assert marks["far"].answers_changed == pytest.approx(0.5 / np.std(labels))


def test_without_predictions_nothing_is_known_of_the_answers(store: ResultsStore, make_record: Any) -> None:
    copy_of_kd(store, "copy", {0: 0.0, 1: 0.0, 2: 0.0}, make_record)
    (run,) = (run for run in store.records() if (run.identity.method, run.identity.seed) == ("copy", 1))
    (store.runs / run.run_id / "predictions.npz").unlink()
    marks = marks_of(store.root)
    assert (marks["copy"].same_as, marks["copy"].answers_changed) == (None, 0)  # of the two other seeds
    (table,) = build(store.records(), tasks={}, suites=()).tables
    assert {row.cells["rte"].marks for row in table.rows} == {CellMarks()}


def test_a_margin_of_two_standard_errors_is_none(make_record: Any) -> None:
    margins: Sequence[Any] = [(0.1, 0.02), (0.04, 0.02), (-0.3, 0.01), (0.0, 0.0), (0.2, None), (None, 0.1)]
    runs = [make_record("kd")] + [
        make_record("gen", seed=seed, diagnostics={"adversary_margin": margin, "adversary_margin_se": se})
        for seed, (margin, se) in enumerate(margins)
    ]
    (table,) = build(runs, tasks={}, suites=()).tables
    marks = {row.label: row.cells["rte"].marks for row in table.rows}
    assert (marks["gen"].no_adversary, marks["gen"].adversary_runs) == (3, 4)
    assert marks["gen"].adversary_margin == pytest.approx(-0.04)
    assert (marks["kd"].adversary_runs, marks["kd"].adversary_margin) == (0, None)


@pytest.mark.parametrize(
    ("plans", "expected"),
    [
        ([FIVE] * 5, ()),  # also when it was interrupted, or divided between machines
        ([THREE] * 3 + [FIVE] * 2, (3, 4)),
        ([FIVE] * 2 + [THREE] + [FIVE] * 2, ()),  # planned from the beginning
        ([THREE] * 3 + [MOVED] * 2, (3, 4)),
        ([FIVE, THREE, THREE, FIVE, FIVE], ()),
        ([None] * 3 + [FIVE] * 2, ()),  # of older records nothing is known
        ([None, None, THREE, FIVE, None], (3,)),
        ([None] * 5, ()),
    ],
)
def test_seeds_that_the_first_run_did_not_plan_are_named(
    plans: Sequence[SeedPlan | None], expected: tuple[int, ...], make_record: Any
) -> None:
    runs = {
        seed: make_record(seed=seed, seed_plan=plan, created=f"2026-01-02T03:04:{10 + seed}Z")
        for seed, plan in enumerate(plans)
    }
    assert added_seeds(runs) == expected
    assert added_seeds(dict(reversed(runs.items()))) == expected


def test_the_first_run_is_the_one_recorded_first(make_record: Any) -> None:
    first = make_record(seed=4, seed_plan=FIVE, created="2026-01-02T03:04:05Z")
    later = make_record(seed=0, seed_plan=THREE, created="2026-01-02T03:04:06Z")
    last = make_record(seed=3, seed_plan=FIVE, created="2026-01-02T03:04:06Z")
    assert added_seeds({0: later, 3: last, 4: first}) == ()
    assert added_seeds({0: later, 3: last}) == ()  # in the same second: the larger plan


def test_a_failed_run_is_no_result(make_record: Any) -> None:
    failed = make_record(seed=4, score=None, seed_plan=FIVE, created="2026-01-02T03:04:05Z")
    later = make_record(seed=0, seed_plan=THREE, created="2026-01-02T03:04:06Z")
    last = make_record(seed=3, seed_plan=FIVE, created="2026-01-02T03:04:07Z")
    (table,) = build([failed, later, last], tasks={}, suites=()).tables
    assert table.rows[0].cells["rte"].marks.added_seeds == (3,)
