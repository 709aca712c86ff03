"""The table of further sets: statistics and a family of its own, and nothing of it in the table of tasks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matekd_bench.results.leaderboard.build import build
from matekd_bench.results.leaderboard.evidence import Evidence
from matekd_bench.results.leaderboard.row_filters import select_rows_and_columns, sort_rows
from matekd_bench.results.leaderboard.table import LeaderboardTable
from matekd_bench.results.report.export_tables import leaderboard_rows, rows_of_view, verdict_rows
from matekd_bench.results.report.sheets import sheets_of_view
from matekd_bench.results.store.collection import read_folders
from matekd_bench.results.store.results_store import ResultsStore
from set_study import LABELS, SETS, answers, board, digest, write_with_sets


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, write_study: Any) -> ResultsStore:
    return write_with_sets(tmp_path_factory.mktemp("study"), write_study)


@pytest.fixture(scope="module")
def table(store: ResultsStore) -> LeaderboardTable:
    [table] = board(store).tables
    return table


def test_predictions_and_record_survive_the_store(store: ResultsStore) -> None:
    record = next(record for record in store.records() if record.identity.task == "rte")
    also = store.read_predictions(record).also
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
    evaluated = {
        row["task"]: (row["best_dev"] is None, row["xfit"] is None)
        for row in rows_of_view(tables, (), "task").rows
    }
    assert evaluated == {"rte": (False, False), "sst2": (False, False)} | dict.fromkeys(SETS, (True, True))
    sheet = next(sheet for name, sheet in sheets_of_view(table, "task") if name == "task-rte/claims")
    assert not {"best_dev", "xfit"} & set(sheet.keys)
    verdicts = {(row["method"], row["task"]): row["verdict"] for row in verdict_rows(tables).rows}
    assert verdicts["eda", "rte/claims"] == "better"
