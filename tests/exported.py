"""A synthetic study with real verdicts, as the tests of the exports use it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matekd_bench.results.leaderboard.build import build
from matekd_bench.results.leaderboard.evidence import Evidence
from matekd_bench.results.leaderboard.table import LeaderboardTables
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.collection import read_folders
from matekd_bench.tasks.task import Suite

SUITES = (Suite("glue", ("sst2", "rte")),)
GAINS = {"kd": 0.0, "good": 0.7, "bad": -0.7, "same[x=1]": 0.0}
UPDATES = {"kd": 100, "good": 400, "bad": 200, "same[x=1]": 1600}


@dataclass(frozen=True)
class Study:
    """A folder, its records and the leaderboard made of them."""

    root: Path
    runs: list[Record]
    board: LeaderboardTables


def study(root: Path, write_study: Any) -> Study:
    """Four methods on two tasks with three seeds; `good` and `bad` are what they are called."""
    write_study(root, GAINS, budgets=UPDATES)
    found = read_folders([root])
    board = build(found.records, tasks={}, suites=SUITES, evidence=Evidence(found.stores))
    return Study(root, list(found.records), board)


def board_of(records: list[Record], reference: str | None = "kd") -> LeaderboardTables:
    """The leaderboard of records without predictions."""
    return build(records, tasks={}, suites=SUITES, reference=reference)
