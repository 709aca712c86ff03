"""The title of a page: methods, reference and tasks, counted where there are many."""

from __future__ import annotations

from typing import Any

import pytest

from exported import board_of
from matekd_bench.results.leaderboard.table import LeaderboardTables
from matekd_bench.results.report.html.study_title import study_title


@pytest.mark.parametrize(
    ("methods", "tasks", "title"),
    [
        (["kd", "eda", "aeda"], ["rte"], "aeda and eda compared with kd on rte"),
        (["kd", "a", "b", "c", "d", "e"], ["rte", "mrpc"], "5 methods compared with kd on rte and mrpc"),
        (["kd"], ["a", "b", "c", "d", "e"], "kd on 5 tasks"),
        (["eda"], ["rte"], "eda on rte"),
    ],
)
def test_a_title_names_a_few_and_counts_many(
    methods: list[str], tasks: list[str], title: str, make_record: Any
) -> None:
    runs = [make_record(method, task) for method in methods for task in tasks]
    assert study_title(board_of(runs)) == title


def test_a_page_without_runs_has_a_title() -> None:
    assert study_title(LeaderboardTables(()))
