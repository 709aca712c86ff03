"""Computes the GLUE score of a row, only if every task is present with official data.

The metrics of a task are averaged first, then the tasks. mini-GLUE has its own mean, which is never called GLUE.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from matekd_bench.results.leaderboard.table import ScoreCell, TaskColumn

# Wang et al. 2019 average nine tasks; papers on distillation leave out WNLI, whose dev set contradicts train.
GLUE8 = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte")
GLUE9 = (*GLUE8, "wnli")
MINI8 = tuple(f"mini-{name}" for name in GLUE8)
DEFINITIONS: Mapping[str, tuple[str, ...]] = {"glue8": GLUE8, "glue9": GLUE9, "mini": MINI8}


def usable_tasks(columns: Sequence[TaskColumn]) -> list[str]:
    """Return the tasks that may enter a score.

    Such a task has exactly one column, which is complete and informative. Synthetic data count only for mini-GLUE.
    """
    tasks = [column.task for column in columns]
    return [
        column.name
        for column in columns
        if column.task in (MINI8 if column.synthetic else GLUE9)
        and column.complete
        and column.uninformative is None
        and tasks.count(column.task) == 1
    ]


def complete_means(columns: Sequence[TaskColumn], cells: Mapping[str, ScoreCell]) -> dict[str, float]:
    """Return the mean score of each usable task on which no seed of the row failed."""
    return {
        name: mean
        for name in usable_tasks(columns)
        if name in cells and not cells[name].statuses["failed"] and (mean := cells[name].mean) is not None
    }


def scores(columns: Sequence[TaskColumn], cells: Mapping[str, ScoreCell]) -> dict[str, float]:
    """Return the scores of one row by definition: `glue8`, `glue9` and `mini`.

    A score is present only if all its tasks are usable and no seed of them failed.
    """
    means = complete_means(columns, cells)
    return {
        name: fmean(means[task] for task in tasks)
        for name, tasks in DEFINITIONS.items()
        if all(task in means for task in tasks)
    }


def count_usable_glue8(columns: Sequence[TaskColumn]) -> int | None:
    """Count the usable tasks of `glue8`; None if no column is a GLUE task with real data."""
    if not any(column.task in GLUE9 and not column.synthetic for column in columns):
        return None
    return sum(name in GLUE8 for name in usable_tasks(columns))
