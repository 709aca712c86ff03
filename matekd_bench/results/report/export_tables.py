"""Makes the flat tables of the leaderboard and of the runs, for files, spreadsheets and data frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from matekd_bench.files.csv_text import Value
from matekd_bench.plugins.record_types import ExportTable
from matekd_bench.results.leaderboard.grouping import task_order
from matekd_bench.results.leaderboard.table import (
    LeaderboardRow,
    LeaderboardTable,
    LeaderboardTables,
    ScoreCell,
    TaskColumn,
)
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report import columns, score_columns
from matekd_bench.results.report.cells import bounds, in_files, teacher_cost
from matekd_bench.results.report.run_columns import RUN_COLUMNS, RUN_TABLE, scores_of
from matekd_bench.results.report.sheets import View, diagnostic_columns
from matekd_bench.results.stats.summary import CellSummary, RowSummary
from matekd_bench.tasks.task import Suite

# What the teacher's row has: the values that all rows of a table share.
SHARED = ("schema", "preset", "teacher", "protocol_id", "tuning")


def rows_of_view(leaderboard: LeaderboardTables, suites: Sequence[Suite], view: View) -> ExportTable:
    """Return the flat table of a view: a row per method and protocol; by task, a row per method, task and protocol."""
    if view == "task":
        return _task_rows(leaderboard)
    if view == "cost":
        return _rows_of(leaderboard, _with_upper_ends(columns.columns_of("costs in detail")))
    if view == "diagnostics":
        return _rows_of(leaderboard, diagnostic_columns(leaderboard.tables))
    return leaderboard_rows(leaderboard, suites)


def _rows_of(leaderboard: LeaderboardTables, shown: Sequence[columns.RowColumn]) -> ExportTable:
    """Return one row per method and protocol with the columns that name it, those `shown`, and `view`."""
    listed = (*columns.named(("protocol_id", "method", "variant")), *shown, *columns.named(("view",)))
    rows = (
        {column.key: column.value(row, table) for column in listed}
        for table in leaderboard.tables
        for row in table.rows
    )
    return ExportTable("leaderboard", tuple(column.key for column in listed), tuple(rows))


def _with_upper_ends(shown: Sequence[columns.RowColumn]) -> list[columns.RowColumn]:
    """Put the upper end of each interval after the lower one, in whose column tables show both."""
    upper = {column.key: column for column in columns.LEADERBOARD_COLUMNS if column.key.endswith("_hi")}
    pairs = ((column, upper.get(f"{column.key.removesuffix('_lo')}_hi")) for column in shown)
    return [column for pair in pairs for column in pair if column is not None]


def _task_rows(leaderboard: LeaderboardTables) -> ExportTable:
    """Return one row per method, task and protocol, with all columns of a task except marks."""
    of_row = columns.named(("protocol_id", "method", "variant"))
    of_cell = [column for column in score_columns.SCORE_COLUMNS if column.key != "marks"]
    [view] = columns.named(("view",))
    rows = (
        {column.key: column.value(row, table) for column in of_row}
        | {"task": task.name}
        | {column.key: column.value(row.cells[task.name], task) for column in of_cell}
        | {view.key: view.value(row, table)}
        for main in leaderboard.tables
        for table in main.with_also
        for task in table.columns
        for row in table.rows
        if task.name in row.cells
    )
    keys = (*(column.key for column in of_row), "task", *(column.key for column in of_cell), view.key)
    return ExportTable("leaderboard", keys, tuple(rows))


def leaderboard_rows(leaderboard: LeaderboardTables, suites: Sequence[Suite]) -> ExportTable:
    """Return one row per method and protocol, each protocol's teacher first; missing values are None.

    The fixed columns come first, then those of each task, in suite order, then those of each further set.
    """
    names = {column.name: column.task for table in leaderboard.tables for column in table.columns}
    order = task_order(suites, names.values())
    keys = [column.key for column in in_files(columns.LEADERBOARD_COLUMNS)]
    sets = {column.name for table in leaderboard.tables if table.also for column in table.also.columns}
    for task in (*sorted(names, key=lambda name: (order.index(names[name]), name)), *sorted(sets)):
        keys += [f"{task}_{column.key}" for column in in_files(score_columns.SCORE_COLUMNS)]
    rows = (
        row
        for table in leaderboard.tables
        for row in (_teacher_row(table), *(_method_row(row, table) for row in table.rows))
    )
    return ExportTable("leaderboard", tuple(keys), tuple(dict.fromkeys(keys) | row for row in rows))


def _teacher_row(table: LeaderboardTable) -> dict[str, Value]:
    any_row = _method_row(table.rows[0], table)
    row: dict[str, Value] = {key: any_row[key] for key in SHARED}
    row |= {"method": "teacher", "n_tasks": sum(task.teacher_score is not None for task in table.columns)}
    row["cost_beforehand"] = teacher_cost(table)
    for task in (column for part in table.with_also for column in part.columns):
        row |= {
            f"{task.name}_mean": task.teacher_score,
            f"{task.name}_data_state": task.data_state,
            f"{task.name}_uninformative": task.uninformative,
        }
    return row


def _method_row(row: LeaderboardRow, table: LeaderboardTable) -> dict[str, Value]:
    flat = {column.key: column.value(row, table) for column in in_files(columns.LEADERBOARD_COLUMNS)}
    for task, cell in _cells(row, table):
        for column in in_files(score_columns.SCORE_COLUMNS):
            flat[f"{task.name}_{column.key}"] = column.value(cell, task)
    return flat


def _cells(row: LeaderboardRow, table: LeaderboardTable) -> Iterator[tuple[TaskColumn, ScoreCell]]:
    """Yield the columns of tasks and of further sets that a row has a cell in."""
    for part in table.with_also:
        for part_row in part.rows:
            if part_row.label == row.label:
                yield from (
                    (column, part_row.cells[column.name])
                    for column in part.columns
                    if column.name in part_row.cells
                )


def run_rows(records: Sequence[Record], xfits: Mapping[str, float] | None = None) -> ExportTable:
    """Return the runs in long form: one row per run, split, selection and metric.

    A failed run has one row without a value. The task's score is the metric `task_score` of split `all`. It has the
    selections `last` and `best_dev`, and `xfit` for runs in `xfits` (run id -> cross-fitted score).
    """
    rows = tuple(
        {column.key: column.value(run, score) for column in in_files(RUN_COLUMNS)}
        for run in sorted(records, key=_run_order)
        for score in scores_of(run, (xfits or {}).get(run.run_id))
    )
    return ExportTable("runs", tuple(column.key for column in in_files(RUN_COLUMNS)), rows)


def run_table(records: Sequence[Record]) -> ExportTable:
    """Return one row per run, with the task's score at the last evaluation, cost and status."""
    by_key = {column.key: column for column in RUN_COLUMNS}
    rows = ({key: by_key[key].value(run, {}) for key in RUN_TABLE} for run in sorted(records, key=_run_order))
    return ExportTable("runs", RUN_TABLE, tuple(rows))


def curve_rows(records: Sequence[Record]) -> ExportTable:
    """Return one row per evaluation of each run: its number from 1, update, task score and training loss."""
    named = ("run_id", "method", "variant", "task", "seed")
    measured = ("eval", "update", "score", "train_loss")
    by_key = {column.key: column for column in RUN_COLUMNS}
    rows = (
        {key: by_key[key].value(run, {}) for key in named}
        | {key: getattr(evaluation, key) for key in measured}
        for run in sorted(records, key=_run_order)
        for evaluation in run.curve
    )
    return ExportTable("curves", (*named, *measured), tuple(rows))


VERDICT_KEYS = (
    *("protocol_id", "method", "compared_with", "task", "delta", "ci_lo", "ci_hi", "p_holm", "verdict"),
    "reason",
)


def verdict_rows(leaderboard: LeaderboardTables) -> ExportTable:
    """Return one row per compared method and task, and one over all informative tasks, with the task "all".

    `reason` says why a row has no verdict.
    """
    rows = (
        dict(zip(VERDICT_KEYS, values, strict=True))
        for table in leaderboard.tables
        for row in table.rows
        if row.identity.ranked and row.label != table.reference
        for values in _verdicts(row, table)
    )
    return ExportTable("verdicts", VERDICT_KEYS, tuple(rows))


def _verdicts(row: LeaderboardRow, table: LeaderboardTable) -> Iterator[tuple[Value, ...]]:
    """Yield the values of VERDICT_KEYS over all tasks, then for each task and each further set of a row."""
    named = table.protocol_id, row.label, table.reference
    yield (*named, "all", row.delta, *_claim(row.overall, None))
    for column, cell in _cells(row, table):
        yield (*named, column.name, cell.delta, *_claim(cell.statistics, column.uninformative))


def _claim(statistics: CellSummary | RowSummary, uninformative: str | None) -> tuple[Value, ...]:
    """Return interval, corrected p, verdict, and why there is none."""
    missing = statistics.difference.missing if statistics.difference else None
    verdict = "uninformative" if uninformative else statistics.verdict
    return (*bounds(statistics.difference), statistics.p_holm, verdict, uninformative or missing)


def _run_order(run: Record) -> tuple[str, str, str, int, str]:
    identity = run.identity
    return identity.protocol_id, identity.task, identity.variant, identity.seed, run.run_id
