"""What every source of data has in common: the rows it reads and how it reads gold labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Protocol

from matekd_bench.errors import DataError
from matekd_bench.tasks.task import Rows, Task

DECIMALS = 6  # of gold scores: the Hub stores 3.8 as a float32, 3.7999999523, and files write 3.800


class MissingSplitError(DataError):
    """A split that the source does not have; the message says what was looked for and what there is.

    `absent` says it in a few words that are the same on every machine, for the notice in records.
    """

    def __init__(self, message: str, *, absent: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.absent = absent


class DataSource(Protocol):
    """A place that tasks are read from."""

    @property
    def name(self) -> str:
        """The word for the source in records: "hub", "glue-dir" or "embedded"."""

    def revision(self, task: Task) -> str | None:
        """The pinned version of the task's data, where the source has such a thing."""

    def read(self, task: Task, split: str) -> Rows:
        """The rows of one split. Raises MissingSplitError where it is absent, else DataError."""


def label_id(task: Task, written: str, place: str) -> int:
    """The class id of a label as it is `written`: by its string, never by its number.

    `place` says where it stands, for the DataError that an unknown label raises.
    """
    label = task.label_values.get(written, written)
    if label not in task.labels:
        allowed = ", ".join([*task.label_values, *task.labels])
        raise DataError(f"{place}: unknown label {written!r}: {task.name} has {allowed}.")
    return task.labels.index(label)


def gold_score(task: Task, written: str | float, place: str) -> float:
    """The gold score of a regression as a number within the task's range. Raises DataError naming `place`."""
    try:
        score = float(written)
    except ValueError:
        score = math.nan
    low, high = task.score_range or (-math.inf, math.inf)
    if not math.isfinite(score) or not low <= score <= high:
        span = f" from {low:g} to {high:g}" if task.score_range else ""
        raise DataError(f"{place}: the score {written!r} is not a number{span}.")
    return round(score, DECIMALS)


def what_is_there(name: str, present: Sequence[str]) -> str:
    """Ends an error about a missing `name`: the nearest of what is `present`, then all of it."""
    if not present:
        return "there is nothing."
    near = get_close_matches(name, present, n=1, cutoff=0.7)
    listed = f"there are {', '.join(sorted(present))}."
    return f"did you mean '{near[0]}'? {listed}" if near else listed
