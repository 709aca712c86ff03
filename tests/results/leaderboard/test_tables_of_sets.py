"""The table of further sets: statistics and a family of its own, and nothing of it in the table of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matekd_bench.results.leaderboard.build import build
from matekd_bench.results.leaderboard.evidence import Evidence
from matekd_bench.results.leaderboard.row_filters import select_rows_and_columns, sort_rows
from matekd_bench.results.leaderboard.table import LeaderboardTable
from matekd_bench.results.records.predictions import Predictions
from matekd_bench.results.records.set_scores import SetScores
from matekd_bench.results.report.export_tables import leaderboard_rows, rows_of_view, verdict_rows
from matekd_bench.results.report.sheets import sheets_of_view
from matekd_bench.results.store.collection import read_folders
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.seeds import seed_of

N = 200
GAINS = {"kd": 0.0, "eda": 0.0, "aeda": 0.1}
SETS = {"rte/claims": 2.0, "rte@aeda": 0.0}  # how much better than the reference eda is there
LABELS = np.arange(N) % 2


def answers(name: str, method: str, seed: int) -> np.ndarray:
    ease = np.random.default_rng(seed_of(name)).normal(0.5, 1, N)
    noise = np.random.default_rng(seed_of(name, method, seed)).normal(0, 0.3, N)
    return np.where(ease + (method == "eda") * SETS[name] + noise > 0, LABELS, 1 - LABELS)


def set_scores(name: str, right: np.ndarray) -> SetScores:
    score, hard = float(np.mean(right)), name == "rte@aeda"
    item = {"split": "dev", "selection": "last", "metric": "accuracy", "value": score, "n": N}
    return SetScores.model_validate(
        {
            "name": name, "source": "own", "revision": None, "state": "own", "state_text": "own",
            "splits": {"dev": {"n": N, "official_n": N, "digest": digest(name)}}, "labels": ["no", "yes"],
            "label_map": {}, "resources": {}, "notices": ["a notice"], "scores": [item],
            "majority_score": 0.95 if hard else 0.5, "score": score, "teacher_scores": [], "teacher_score": 0.9,
        }
    )  # fmt: skip


def digest(name: str) -> str:
    return name.replace("/", "-").replace("@", "-")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, write_study: Any) -> ResultsStore:
    """Three methods on two tasks with three seeds; the runs on rte were scored on two sets."""
    plain = write_study(tmp_path_factory.mktemp("plain"), GAINS)
    store = ResultsStore(tmp_path_factory.mktemp("sets"))
    for task in ("rte", "sst2"):
        dev = plain.read_data(f"dev-{task}")
        store.write_data(dev.digest, task=task, split="dev", uids=dev.uids, labels=dev.labels)
    for name in SETS:
        uids = [f"{name}-{row}" for row in range(N)]
        store.write_data(digest(name), task=name, split="dev", uids=uids, labels=LABELS.tolist())
    for record in plain.records():
        identity, predictions = record.identity, plain.read_predictions(record.run_id)
        names = list(SETS) if identity.task == "rte" else []
        given = {name: answers(name, identity.method, identity.seed) for name in names}
        also = {digest(name): np.eye(2, dtype=np.float32)[answer] for name, answer in given.items()}
        scores = tuple(set_scores(name, answer == LABELS) for name, answer in given.items())
        store.write(
            record.model_copy(update={"also": scores, "predictions": None}),
            Predictions(predictions.evaluations, predictions.uids, also),
        )
    return store


def board(store: ResultsStore, without: Sequence[str] = ()) -> Any:
    found = read_folders([store.root])
    records = [
        record.model_copy(update={"also": tuple(one for one in record.also if one.name not in without)})
        for record in found.records
    ]
    return build(records, tasks={}, suites=(), evidence=Evidence(found.stores))


@pytest.fixture(scope="module")
def table(store: ResultsStore) -> LeaderboardTable:
    [table] = board(store).tables
    return table


def test_predictions_and_record_survive_the_store(store: ResultsStore) -> None:
    record = next(record for record in store.records() if record.identity.task == "rte")
    also = store.read_predictions(record.run_id).also
    assert set(also) == set(map(digest, SETS))
    expected = answers("rte@aeda", record.identity.method, record.identity.seed)
    assert also["rte-aeda"].argmax(1).tolist() == expected.tolist()


def test_each_set_is_a_column_with_interval_and_verdict(table: LeaderboardTable) -> None:
    also = table.also
    assert [column.name for column in also.columns] == list(SETS)
    assert [row.label for row in also.rows] == [row.label for row in table.rows]
    cells = {row.label: row.cells["rte/claims"] for row in also.rows}
    expected = [np.mean(answers("rte/claims", "eda", seed) == LABELS) for seed in range(3)]
    assert cells["eda"].mean == pytest.approx(np.mean(expected))
    assert cells["eda"].statistics.spread.interval is not None
    assert cells["eda"].statistics.verdict == "better"
    assert cells["eda"].statistics.difference.interval().low > 0
    assert cells["aeda"].statistics.verdict != "better"
    assert (also.columns[0].teacher_score, also.columns[0].majority_score) == (0.9, 0.5)


def test_the_family_of_the_sets_is_their_own(store: ResultsStore, table: LeaderboardTable) -> None:
    """Another set changes p on the sets and nothing in the table of tasks."""
    [fewer], [none] = (board(store, names).tables for names in (["rte@aeda"], list(SETS)))
    assert none == replace(table, also=None, rows=none.rows)
    for row, other in zip(table.rows, none.rows, strict=True):
        assert (row.overall, row.mean, row.delta) == (other.overall, other.mean, other.delta)
        assert {name: cell.statistics for name, cell in row.cells.items()} == {
            name: cell.statistics for name, cell in other.cells.items()
        }
    p, p_fewer = (
        next(row for row in one.also.rows if row.label == "aeda").cells["rte/claims"].statistics.p_holm
        for one in (table, fewer)
    )
    assert p_fewer <= p
    assert fewer.also.compared == 1
    assert none.also is None


def test_sets_are_in_no_mean_and_have_no_rank(table: LeaderboardTable) -> None:
    for row in table.also.rows:
        assert (row.mean, row.delta, row.overall.difference, row.overall.rank) == (None,) * 4
    [scores] = [sheet for name, sheet in sheets_of_view(table) if name == "scores"]
    assert not set(scores.keys) & {f"{name}_mean" for name in SETS}


def test_a_set_below_its_most_frequent_class_is_a_result(table: LeaderboardTable) -> None:
    assert [column.uninformative for column in table.also.columns] == [None, None]


def test_predictions_that_do_not_give_the_score_make_no_claim(store: ResultsStore, tmp_path: Path) -> None:
    found = read_folders([store.root])
    records = [
        record.model_copy(
            update={"also": tuple(one.model_copy(update={"score": 0.1}) for one in record.also)}
        )
        for record in found.records
    ]
    [table] = build(records, tasks={}, suites=(), evidence=Evidence(found.stores)).tables
    eda = next(row for row in table.also.rows if row.label == "eda")
    assert eda.cells["rte/claims"].statistics.verdict is None
    assert any("rte/claims" in note for note in table.also.notes)
    assert all(row.cells["rte"].statistics.difference is not None for row in table.rows if row.label != "kd")


def test_views_select_and_sort_the_sets_too(store: ResultsStore) -> None:
    tables = board(store)
    [some] = select_rows_and_columns(tables, "eda", "rte", ()).tables
    assert [row.label for row in some.also.rows] == ["eda"]
    assert [column.name for column in some.also.columns] == list(SETS)
    [none] = select_rows_and_columns(tables, None, "sst2", ()).tables
    assert none.also is None
    [by_name] = sort_rows(tables, "name").tables
    assert [row.label for row in by_name.also.rows] == ["aeda", "eda", "kd"]


def test_files_have_the_sets_after_the_tasks(store: ResultsStore, table: LeaderboardTable) -> None:
    tables = board(store)
    rows = leaderboard_rows(tables, ())
    assert rows.columns.index("sst2_mean") < rows.columns.index("rte/claims_mean")
    teacher, kd, *_ = rows.rows
    assert (teacher["rte/claims_mean"], teacher["n_tasks"], kd["n_tasks"]) == (0.9, 2, 2)
    eda = next(row for row in rows.rows if row["method"] == "eda")
    cell = next(row for row in table.also.rows if row.label == "eda").cells["rte/claims"]
    assert (eda["rte/claims_mean"], eda["rte/claims_verdict"]) == (cell.mean, "better")
    by_task = {(row["method"], row["task"]) for row in rows_of_view(tables, (), "task").rows}
    assert {("eda", name) for name in SETS} <= by_task
    verdicts = {(row["method"], row["task"]): row["verdict"] for row in verdict_rows(tables).rows}
    assert verdicts["eda", "rte/claims"] == "better"
