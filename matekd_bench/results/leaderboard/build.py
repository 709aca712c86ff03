"""Builds the leaderboard from run records: means, spreads, differences to the reference, statistics and costs.

Everything is computed from the records and, if `evidence` is given, from the runs' predictions. Records are sorted
first, so the table does not depend on their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from matekd_bench.gc_pause import gc_paused
from matekd_bench.methods.typed_names import TypedName, variants_called
from matekd_bench.results.leaderboard import glue_score, protocol_settings, tuned_rows
from matekd_bench.results.leaderboard.grouping import RecordGrid, RowKey, group_records
from matekd_bench.results.leaderboard.row_assembly import assemble_row
from matekd_bench.results.leaderboard.row_filters import sort_rows
from matekd_bench.results.leaderboard.row_names import row_names
from matekd_bench.results.leaderboard.table import LeaderboardTable, LeaderboardTables
from matekd_bench.results.leaderboard.table_statistics import SetTableRuns, TableRuns
from matekd_bench.results.leaderboard.task_columns import make_column, unique
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.records.set_records import set_records
from matekd_bench.results.store.planned_runs import PlannedRuns, count_planned, of_table, planned_by_studies
from matekd_bench.tasks.task import Suite, Task

if TYPE_CHECKING:
    from matekd_bench.events import PlannedRun
    from matekd_bench.results.leaderboard.evidence import Evidence


@gc_paused()
def build(
    records: Sequence[Record],
    *,
    tasks: Mapping[str, Task],
    suites: Sequence[Suite],
    reference: str | None = "kd",
    evidence: Evidence | None = None,
    plan: Sequence[PlannedRun] | None = None,
) -> LeaderboardTables:
    """Build the leaderboard of `records`: one table per protocol, because only rows of one protocol are comparable.

    `tasks` gives titles and metrics, and `suites` gives the order of the columns. A task in neither is shown under
    its name, after the others. `reference` is the method or variant that others are compared with, None for no
    comparison. Without `evidence` no difference has an interval, a p-value or a verdict, and rows have the full names
    of their variants. `plan` are the planned runs, if `records` are those of one study; by default they are read from
    the settings of the records' studies. Rows have the default order of `row_filters.sort_rows`.
    """
    protocols: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: record.run_id):
        protocols.setdefault(record.identity.protocol_id, []).append(record)
    tables = []
    for runs in protocols.values():
        table = _build_table(runs, tasks, suites, reference, evidence)
        tables.append(replace(table, planned=_planned(runs, records, tasks, suites, evidence, plan)))
    tables.sort(key=lambda table: (table.presets, table.protocol_id))
    return sort_rows(LeaderboardTables(tuple(tables), protocol_settings.differences(tables)), None)


def _planned(
    runs: Sequence[Record],
    records: Sequence[Record],
    tasks: Mapping[str, Task],
    suites: Sequence[Suite],
    evidence: Evidence | None,
    plan: Sequence[PlannedRun] | None,
) -> PlannedRuns | None:
    """Count the planned runs of the table of `runs`; None if the plan is unknown."""
    others = [run for run in records if run.identity.protocol_id != runs[0].identity.protocol_id]
    names = row_names(runs, evidence.preset_params if evidence else None)
    if plan is not None:
        planned = {
            (names[run.method].typed if run.method in names else run.name or run.method, run.task, run.seed)
            for run in plan
        }
        planned = of_table(planned, runs, others)
    elif evidence is not None:
        planned = planned_by_studies(runs, others, names, evidence.settings, tasks, suites)
    else:
        return None
    return count_planned(planned, runs, names)


def _build_table(
    runs: Sequence[Record],
    tasks: Mapping[str, Task],
    suites: Sequence[Suite],
    reference: str | None,
    evidence: Evidence | None,
) -> LeaderboardTable:
    grid = group_records(runs, suites)
    columns = tuple(make_column(name, members, grid, tasks) for name, members in grid.columns.items())
    names = row_names(runs, evidence.preset_params if evidence else None)
    reference_row, notes = _reference_row(grid, reference, names)
    labels = _row_labels(grid, names)
    table = TableRuns(grid, names, labels, columns, reference_row, evidence)
    return _assemble_table(table, runs, (*grid.notes, *notes), _table_of_sets(table, runs, suites, tasks))


def _table_of_sets(
    main: TableRuns, runs: Sequence[Record], suites: Sequence[Suite], tasks: Mapping[str, Task]
) -> LeaderboardTable | None:
    """Build the table of the further sets that runs were scored on; None if there are none."""
    of_sets = set_records(runs)
    if not of_sets:
        return None
    grid = group_records(of_sets, suites)
    # A set may be hard on purpose: students below its most frequent class are a result, so no column is uninformative.
    columns = tuple(
        replace(make_column(name, members, grid, tasks), uninformative=None)
        for name, members in grid.columns.items()
    )
    labels = {key: label for key, label in main.labels.items() if key in grid.rows}
    reference = main.reference if main.reference in labels else None
    table = SetTableRuns(grid, main.names, labels, columns, reference, main.evidence)
    return _assemble_table(table, of_sets, grid.notes, None)


def _assemble_table(
    table: TableRuns, runs: Sequence[Record], notes: Sequence[str], also: LeaderboardTable | None
) -> LeaderboardTable:
    statistics, columns, reference = table.statistics(), table.columns, table.reference
    by_key = {key: assemble_row(key, table, statistics) for key in table.labels}
    rows = list(by_key.values())
    return LeaderboardTable(
        protocol_id=runs[0].identity.protocol_id,
        presets=unique(run.identity.preset for run in runs),
        budget_kinds=unique(run.budget.kind for run in runs),
        columns=tuple(columns),
        rows=tuple(rows),
        reference=table.labels[reference] if reference else None,
        seeds=max(cell.n for row in rows for cell in row.cells.values()),
        glue_tasks=glue_score.count_usable_glue8(columns),
        notes=(*notes, *statistics.notes),
        family=statistics.family,
        tested_baselines=statistics.tested_baselines,
        power=statistics.power,
        settings=protocol_settings.settings(runs),
        tuning=tuned_rows.describe_tuning(runs),
        compared=sum(column.uninformative is None for column in columns),
        also=also,
        reference_runs=by_key[reference].runs_by_column if reference else {},
    )


def _row_labels(grid: RecordGrid, names: Mapping[str, TypedName]) -> dict[RowKey, str]:
    """Return the label of each row: its variant as typed, plus what the rows of the variant in this table differ in."""
    labels = {}
    for key in grid.rows:
        variant, version, resources, code = key
        same_variant = [row for row in grid.rows if row[0] == variant]
        versions, all_resources, all_code = (len({row[part] for row in same_variant}) for part in (1, 2, 3))
        label = names[variant].typed + f" v{version}" * (versions > 1)
        label += f" ({resources or 'no resources'})" * (all_resources > 1)
        labels[key] = label + f" ({code or 'code not recorded'})" * (all_code > 1)
    return labels


def _reference_row(
    grid: RecordGrid, reference: str | None, names: Mapping[str, TypedName]
) -> tuple[RowKey | None, list[str]]:
    """Return the reference row's key, or None and a note; of several versions, take the one with most runs."""
    if reference is None:
        return None, []
    variants = variants_called(reference, names.values())
    if len(variants) > 1:
        listed = ", ".join(variants)
        return None, [f"the reference '{reference}' has several rows ({listed}): no differences are shown."]
    candidates = [key for key in grid.rows if key[0] in variants]
    if not candidates:
        return None, [f"no run of the reference '{reference}': no differences are shown."]
    run_counts = {key: sum(len(grid.cell(key, column)) for column in grid.columns) for key in candidates}
    return max(candidates, key=lambda key: (run_counts[key], key)), []
