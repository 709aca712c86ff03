"""Filters and orders: fewer rows on screen, the same numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from matekd_bench.results.leaderboard.build import build
from matekd_bench.results.leaderboard.evidence import Evidence
from matekd_bench.results.leaderboard.row_filters import (
    select_protocols,
    select_rows_and_columns,
    sort_rows,
    split_names,
)
from matekd_bench.results.leaderboard.table import LeaderboardTables, ShownPart
from matekd_bench.results.store.collection import read_folders
from matekd_bench.tasks.task import Suite

SUITES = (Suite("glue", ("sst2", "rte")), Suite("small", ("rte", "mrpc")))
GAINS = {"kd": 0.0, "eda": 0.3, "eda[alpha=0.2,n=1]": 0.7, "mixup": -0.5}


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory, write_study: Any) -> LeaderboardTables:
    found = read_folders([write_study(tmp_path_factory.mktemp("s"), GAINS).root])
    return build(found.records, tasks={}, suites=SUITES, evidence=Evidence(found.stores))


def labels(leaderboard: LeaderboardTables) -> list[str]:
    return [row.label for table in leaderboard.tables for row in table.rows]


def test_a_view_changes_no_number(board: LeaderboardTables) -> None:
    whole = {row.label: row for row in board.tables[0].rows}
    (part,) = select_rows_and_columns(board, "mixup", "rte", SUITES).tables
    assert part.rows == (whole["mixup"],)
    assert [column.name for column in part.columns] == ["rte"]
    assert list(part.power) == ["rte"]
    assert (part.family, part.compared) == (board.tables[0].family, 2)
    assert part.part == ShownPart(rows=1, all_rows=4, columns=1, all_columns=2)


def test_everything_is_the_same_table(board: LeaderboardTables) -> None:
    for tasks in (None, "glue"):
        assert select_rows_and_columns(board, None, tasks, SUITES) == board


def test_a_task_stands_for_its_stand_in_unless_it_has_a_column(board: LeaderboardTables) -> None:
    (table,) = board.tables
    first, second = table.columns
    stand_in = replace(second, task="mini-x", stands_for=first.task)
    both = replace(board, tables=(replace(table, columns=(first, stand_in)),))
    alone = replace(board, tables=(replace(table, columns=(stand_in,)),))
    for shown, column in ((both, first), (alone, stand_in)):
        for name in (first.task, "one"):
            selected = select_rows_and_columns(shown, None, name, [Suite("one", (first.task,))])
            assert selected.tables[0].columns == (column,)
    assert labels(sort_rows(alone, first.task)) == labels(sort_rows(board, second.name))


def test_a_method_stands_for_its_variants(board: LeaderboardTables) -> None:
    assert labels(select_rows_and_columns(board, "eda", None, SUITES)) == ["eda[alpha=0.2,n=1]", "eda"]
    assert labels(select_rows_and_columns(board, "kd, eda[alpha=0.2,n=1]", None, SUITES)) == [
        "kd",
        "eda[alpha=0.2,n=1]",
    ]
    assert [
        column.name for column in select_rows_and_columns(board, None, "small", SUITES).tables[0].columns
    ] == ["rte"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (None, ["kd", "eda[alpha=0.2,n=1]", "eda", "mixup"]),
        ("delta", ["eda[alpha=0.2,n=1]", "eda", "mixup", "kd"]),  # the reference has no difference
        ("score", ["eda[alpha=0.2,n=1]", "eda", "kd", "mixup"]),
        ("rte", ["eda[alpha=0.2,n=1]", "eda", "kd", "mixup"]),
        ("name", ["eda", "eda[alpha=0.2,n=1]", "kd", "mixup"]),
    ],
)
def test_orders(board: LeaderboardTables, sort: str | None, expected: list[str]) -> None:
    assert labels(sort_rows(board, sort)) == expected
    assert labels(board) == ["kd", "eda[alpha=0.2,n=1]", "eda", "mixup"]  # as built


def test_the_cheapest_comes_first(make_record: Any) -> None:
    flops = {"kd": 3, "dear": 9, "cheap": 1, "lost": 0}
    records = [
        make_record(name, train_flops=value, precompute_flops=0, score=None if name == "lost" else 0.7)
        for name, value in flops.items()
    ]
    records.append(make_record("free", ranked=False, train_flops=0))
    assert labels(sort_rows(build(records, tasks={}, suites=SUITES), "cost")) == [
        "cheap", "kd", "dear", "lost", "free"
    ]  # fmt: skip


def test_protocols_by_the_start_of_their_id(board: LeaderboardTables) -> None:
    (table,) = board.tables
    both = LeaderboardTables((table, replace(table, protocol_id="q2")), ("lr: 1, 2",))
    assert select_protocols(both, ["q"]) == LeaderboardTables((both.tables[1],), ())
    assert select_protocols(both, []) == select_protocols(both, ["p1", "q"]) == both


def test_splitting_a_list() -> None:
    assert split_names('kd, eda[a=1,b="x,]"],,worst[eda[a=1],n=2]@2x') == [
        "kd",
        'eda[a=1,b="x,]"]',
        "worst[eda[a=1],n=2]@2x",
    ]
