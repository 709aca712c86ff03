"""The GLUE score, printed only where it is one: every task, official data, metrics averaged before tasks.

mini-GLUE has a mean of its own, which never goes by the name of GLUE.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from matekd_bench.results.leaderboard.table import Column, ScoreCell

# Wang et al. 2019 average nine tasks; papers on distillation leave out WNLI, whose dev set contradicts train.
GLUE8 = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte")
GLUE9 = (*GLUE8, "wnli")
MINI8 = tuple(f"mini-{name}" for name in GLUE8)
DEFINITIONS: Mapping[str, tuple[str, ...]] = {"glue8": GLUE8, "glue9": GLUE9, "mini": MINI8}


def usable(columns: Sequence[Column]) -> list[str]:
    """The tasks whose column may enter a score: one column, complete, informative, and real unless named mini."""
    counts = [column.task for column in columns]
    return [
        column.name
        for column in columns
        if column.task in (MINI8 if column.synthetic else GLUE9)
        and column.complete
        and column.uninformative is None
        and counts.count(column.task) == 1
    ]


def complete(columns: Sequence[Column], cells: Mapping[str, ScoreCell]) -> dict[str, float]:
    """The mean of each task that a row has complete: in a usable column and with no failed seed."""
    return {
        name: mean
        for name in usable(columns)
        if name in cells and cells[name].n_failed == 0 and (mean := cells[name].mean) is not None
    }


def scores(columns: Sequence[Column], cells: Mapping[str, ScoreCell]) -> dict[str, float]:
    """The scores of one row by definition, each only where all its tasks are usable and no seed failed."""
    whole = complete(columns, cells)
    return {
        name: fmean(whole[task] for task in tasks)
        for name, tasks in DEFINITIONS.items()
        if all(task in whole for task in tasks)
    }


def shown(columns: Sequence[Column]) -> int | None:
    """How many of the tasks of `glue8` are usable; None where no GLUE task is shown at all."""
    if not any(column.task in GLUE9 and not column.synthetic for column in columns):
        return None
    return sum(name in GLUE8 for name in usable(columns))
