"""Finds the records of each table cell, for outputs that show single runs, such as learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from matekd_bench.results.leaderboard.grouping import RowKey, group_records
from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTable
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
        for key in filter(lambda key: _is_key_of(key, row, grid.rows), grid.rows):
            for column in grid.columns:
                if cell := grid.cell(key, column):
                    cells[row.label, column] = [cell[seed] for seed in sorted(cell)]
    return cells


def _is_key_of(key: RowKey, row: LeaderboardRow, keys: Sequence[RowKey]) -> bool:
    """Tell whether `key` belongs to `row`.

    If several keys of the variant differ in resources, the row's label ends with its resources.
    """
    variant, version, resources = key
    if (variant, version) != (row.identity.variant, row.identity.version):
        return False
    same_variant = [other for other in keys if other[0] == variant]
    return len({other[2] for other in same_variant}) == 1 or row.label.endswith(
        f" ({resources or 'no resources'})"
    )
