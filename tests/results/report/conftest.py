"""A study with every kind of cell and of task, for the tests of what shows it."""

from __future__ import annotations

from typing import Any

import pytest

from matekd_bench.results.leaderboard.build import build
from matekd_bench.results.leaderboard.evidence import Evidence
from matekd_bench.results.leaderboard.table import LeaderboardTables
from matekd_bench.results.report.cells import PROBLEMS
from matekd_bench.results.store.collection import read_folders
from rendered import GAINS


@pytest.fixture(scope="session")
def board(tmp_path_factory: pytest.TempPathFactory, write_study: Any, make_record: Any) -> LeaderboardTables:
    """Three seeds with verdicts on rte and cola (partial); one method for each status with a problem; an unranked one.

    sst2 is uninformative.
    """
    root = tmp_path_factory.mktemp("study")
    write_study(root, GAINS, tasks=["rte"], budgets={"kd@2x": 600})
    partial = {"state": "partial", "state_text": "partial (train 9 of 99)"}
    write_study(root, GAINS, tasks=["cola"], budgets={"kd@2x": 600}, **partial)
    store = write_study(root, {"free-one": 0.7}, tasks=["rte"], ranked=False)
    store.write(make_record("kd", "sst2", 0, 0.5))
    for status in PROBLEMS:
        score = None if status == "failed" else 0.5
        store.write(make_record(f"{status}-one", "rte", 0, score, status=status, reason="why"))
    found = read_folders([root])
    return build(found.records, tasks={}, suites=(), evidence=Evidence(found.stores))
