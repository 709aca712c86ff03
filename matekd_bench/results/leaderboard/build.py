"""From records to the leaderboard: means, spreads, differences to the reference, what may be said of them, costs.

Everything is computed from the records, and from the runs' answers where `evidence` has them, in an order of its
own: the same records give the same table in whatever order they come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matekd_bench.gc_pause import gc_paused
from matekd_bench.results.leaderboard import glue_score, protocol_settings, tuned_rows
from matekd_bench.results.leaderboard.grouping import RecordGrid, RowKey, arrange
from matekd_bench.results.leaderboard.row_assembly import RowAssembler
from matekd_bench.results.leaderboard.table import Leaderboard, LeaderboardTable
from matekd_bench.results.leaderboard.table_statistics import TableRuns
from matekd_bench.results.leaderboard.task_columns import make_column, unique
from matekd_bench.results.records.run_record import Record
from matekd_bench.tasks.task import Suite, Task

if TYPE_CHECKING:
    from matekd_bench.results.leaderboard.evidence import Evidence


@gc_paused()
def build(
    records: Sequence[Record],
    *,
    tasks: Mapping[str, Task],
    suites: Sequence[Suite],
    reference: str | None = "kd",
    evidence: Evidence | None = None,
) -> Leaderboard:
    """The leaderboard of `records`: one table per protocol, since only one protocol's rows are comparable.

    `tasks` gives titles and metrics, `suites` the order of columns; a task in neither is shown by name, last.
    `control` is the variant that others are compared with, None for no comparison. Without `evidence` no
    difference has an interval, a p or a verdict.
    """
    protocols: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: record.run_id):
        protocols.setdefault(record.identity.protocol_id, []).append(record)
    made = (_table(runs, tasks, suites, reference, evidence) for runs in protocols.values())
    tables = tuple(sorted(made, key=lambda table: (table.presets, table.protocol_id)))
    return Leaderboard(tables, protocol_settings.differences(tables))


def _table(
    runs: Sequence[Record],
    tasks: Mapping[str, Task],
    suites: Sequence[Suite],
    reference: str | None,
    evidence: Evidence | None,
) -> LeaderboardTable:
    grid = arrange(runs, suites)
    columns = tuple(make_column(name, members, grid, tasks) for name, members in grid.columns.items())
    reference_row = _reference_row(grid, reference)
    labels = _labels(grid)
    claims = TableRuns(grid, labels, columns, reference_row, evidence).claims()
    maker = RowAssembler(grid, columns, labels, reference_row, claims)
    rows = sorted(map(maker.row, labels), key=lambda row: (not row.ranked, row.role == "method", row.label))
    notes = list(grid.notes)
    if reference is not None and reference_row is None:
        notes.append(f"no run of the reference '{reference}': no differences are shown.")
    return LeaderboardTable(
        protocol_id=runs[0].identity.protocol_id,
        presets=unique(run.identity.preset for run in runs),
        budget_kinds=unique(run.budget.kind for run in runs),
        columns=columns,
        rows=tuple(rows),
        reference=labels[reference_row] if reference_row else None,
        seeds=max(cell.n for row in rows for cell in row.cells.values()),
        glue_tasks=glue_score.shown(columns),
        notes=(*notes, *claims.notes),
        family=claims.family,
        power=claims.power,
        settings=protocol_settings.settings(runs),
        tuning=tuned_rows.how(runs),
        compared=sum(column.uninformative is None for column in columns),
    )


def _labels(grid: RecordGrid) -> dict[RowKey, str]:
    """The variant of each row, with the method's version and resources where the table holds several of them."""
    labels = {}
    for key in grid.rows:
        variant, version, resources = key
        others = [other for other in grid.rows if other[0] == variant]
        label = variant if len({other[1] for other in others}) == 1 else f"{variant} v{version}"
        several = len({other[2] for other in others}) > 1
        labels[key] = f"{label} ({resources or 'no resources'})" if several else label
    return labels


def _reference_row(grid: RecordGrid, reference: str | None) -> RowKey | None:
    """The reference's row; where it is there in several versions, the one with most runs."""
    candidates = [key for key in grid.rows if key[0] == reference]
    sizes = {key: sum(len(grid.cell(key, column)) for column in grid.columns) for key in candidates}
    return max(candidates, key=lambda key: (sizes[key], key), default=None)
