"""Which records a cell of a table was computed from: for what shows single runs, such as learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from matekd_bench.results.leaderboard.grouping import RowKey, arrange
from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTable
from matekd_bench.results.records.run_record import Record

Members: TypeAlias = Mapping[tuple[str, str], Sequence[Record]]  # row label, column name -> runs by seed


def members(table: LeaderboardTable, runs: Sequence[Record]) -> Members:
    """The records of each cell of `table`, by seed; cells without any are left out.

    `runs` are those that the leaderboard was built from, or some of them; other protocols' are passed over.
    """
    own = [run for run in runs if run.identity.protocol_id == table.protocol_id]
    grid = arrange(sorted(own, key=lambda run: run.run_id), suites=())
    found: dict[tuple[str, str], Sequence[Record]] = {}
    for row in table.rows:
        for key in filter(lambda key: _belongs(key, row, grid.rows), grid.rows):
            for column in grid.columns:
                if cell := grid.cell(key, column):
                    found[row.label, column] = [cell[seed] for seed in sorted(cell)]
    return found


def _belongs(key: RowKey, row: LeaderboardRow, keys: Sequence[RowKey]) -> bool:
    """Whether `key` is the row's; where only resources tell rows apart, the label ends with them."""
    variant, version, resources = key
    if (variant, version) != (row.variant, row.method_version):
        return False
    alike = [other for other in keys if other[0] == variant]
    return len({other[2] for other in alike}) == 1 or row.label.endswith(f" ({resources or 'no resources'})")
