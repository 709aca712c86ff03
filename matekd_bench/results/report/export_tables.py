"""Makes the flat tables of the leaderboard and of the runs, for files, spreadsheets and data frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matekd_bench.plugins.record_types import ExportTable
from matekd_bench.results.leaderboard.grouping import task_order
from matekd_bench.results.leaderboard.table import Leaderboard, LeaderboardRow, LeaderboardTable
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report.cells import Value
from matekd_bench.results.report.columns import LEADERBOARD_COLUMNS
from matekd_bench.results.report.run_columns import RUN_COLUMNS, scores_of
from matekd_bench.results.report.score_columns import SCORE_COLUMNS
from matekd_bench.tasks.task import Suite

BOARD = [column for column in LEADERBOARD_COLUMNS if column.in_files]
SCORES = [column for column in SCORE_COLUMNS if column.in_files]
RUNS = [column for column in RUN_COLUMNS if column.in_files]
# What the teacher's row has: the values that all rows of a table share.
SHARED = ("schema", "preset", "teacher", "protocol_id", "tuning")


def leaderboard_rows(leaderboard: Leaderboard, suites: Sequence[Suite]) -> ExportTable:
    """Return one row per method and protocol, each protocol's teacher first; missing values are None.

    The fixed columns come first, then those of each task, in suite order.
    """
    names = {column.name: column.task for table in leaderboard.tables for column in table.columns}
    order = task_order(suites, names.values())
    tasks = sorted(names, key=lambda name: (order.index(names[name]), name))
    keys = (
        *(column.key for column in BOARD),
        *(f"{task}_{column.key}" for task in tasks for column in SCORES),
    )
    rows = (
        row
        for table in leaderboard.tables
        for row in (_teacher_row(table), *(_method_row(row, table) for row in table.rows))
    )
    return ExportTable("leaderboard", keys, [dict.fromkeys(keys) | row for row in rows])


def _teacher_row(table: LeaderboardTable) -> dict[str, Value]:
    row: dict[str, Value] = {
        column.key: column.value(table.rows[0], table) for column in BOARD if column.key in SHARED
    }
    row |= {"method": "teacher", "n_tasks": sum(task.teacher_score is not None for task in table.columns)}
    for task in table.columns:
        row |= {
            f"{task.name}_mean": task.teacher_score,
            f"{task.name}_data_state": task.data_state,
            f"{task.name}_uninformative": task.uninformative,
        }
    return row


def _method_row(row: LeaderboardRow, table: LeaderboardTable) -> dict[str, Value]:
    flat = {column.key: column.value(row, table) for column in BOARD}
    scores = {
        f"{task.name}_{column.key}": column.value(row.cells[task.name], task)
        for task in table.columns
        if task.name in row.cells
        for column in SCORES
    }
    return flat | scores


def run_rows(records: Sequence[Record], xfits: Mapping[str, float] | None = None) -> ExportTable:
    """Return the runs in long form: one row per run, split, selection and metric.

    A failed run has one row without a value. The task's score is the metric `task_score` of split `all`. It has the
    selections `last` and `best_dev`, and `xfit` for runs in `xfits` (run id -> cross-fitted score).
    """
    rows = [
        {column.key: column.value(run, score) for column in RUNS}
        for run in sorted(records, key=_run_order)
        for score in scores_of(run, (xfits or {}).get(run.run_id))
    ]
    return ExportTable("runs", tuple(column.key for column in RUNS), rows)


def _run_order(run: Record) -> tuple[str, str, str, int, str]:
    identity = run.identity
    return identity.protocol_id, identity.task, identity.variant, identity.seed, run.run_id
