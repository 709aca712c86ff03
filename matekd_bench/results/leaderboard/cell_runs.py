"""Finds the records of each table cell, for outputs that show single runs, such as learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from matekd_bench.results.leaderboard.grouping import group_records
from matekd_bench.results.leaderboard.table import LeaderboardTable
from matekd_bench.results.records.run_record import Record

CellRuns: TypeAlias = Mapping[
    tuple[str, str], Sequence[Record]
]  # row label, column name -> runs in seed order


def runs_by_cell(table: LeaderboardTable, runs: Sequence[Record]) -> CellRuns:
    """Return the records of each cell of `table`, in seed order; cells without records are omitted.

    `runs` are all or some of the records that the leaderboard was built from. Records of other protocols are ignored.
    """
    protocol_runs = [run for run in runs if run.identity.protocol_id == table.protocol_id]
    grid = group_records(sorted(protocol_runs, key=lambda run: run.run_id), suites=())
    cells: dict[tuple[str, str], Sequence[Record]] = {}
    for row in table.rows:
        identity = row.identity
        key = identity.variant, identity.version, identity.resources, identity.code
        for column in grid.columns:
            if cell := grid.cell(key, column):
                cells[row.label, column] = [cell[seed] for seed in sorted(cell)]
    return cells
