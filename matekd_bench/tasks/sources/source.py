"""The interface of data sources, and their common helpers for reading gold labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

from matekd_bench.errors import DataError
from matekd_bench.tasks.task import Rows, Task

DECIMALS = 6  # of gold scores: the Hub stores 3.8 as the float32 3.7999999523, files as 3.800


class MissingSplitError(DataError):
    """A split that the source does not have; the message names the split and the available ones.

    `absent` is a short form for the notice in records, so it must be the same on every machine.
    """

    def __init__(self, message: str, *, absent: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.absent = absent


class DamagedCacheError(DataError):
    """Damaged files of a data set in the cache; the message names the folder to delete."""


class DataSource(Protocol):
    """A place from which tasks are read."""

    @property
    def name(self) -> str:
        """Name of the source in records: "hub", "glue-dir", "embedded" or "own"."""

    def revision(self, task: Task) -> str | None:
        """Return the pinned version of the task's data, or None if the source has no versions."""

    def read(self, task: Task, split: str) -> Rows:
        """Return the rows of one split; raise MissingSplitError if it is absent, DataError for other problems."""


def label_text(value: Any, place: str) -> str | None:
    """Return a label as text, None if it is missing; numbers and truth values are converted with `str`.

    A missing label is null or contains only blanks. Raises DataError, naming `place`, for a list or an object.
    """
    if isinstance(value, (list, dict, tuple, set, bytes)):
        raise DataError(f"{place}: the label is {str(value)[:60]}, not a text or a number.")
    text = "" if value is None else str(value)
    return text if text.strip() else None


def check_train_labels(task: Task, labels: Sequence[int | float | None], place: str) -> None:
    """Raise DataError, naming `place`, if no row of an own task's train has a label, or all have the same class."""
    distinct = {label for label in labels if label is not None}
    if not distinct:
        raise DataError(f"{place}: no row has a label.")
    if task.labels and len(distinct) == 1:
        only = task.labels[int(distinct.pop())]
        raise DataError(f"{place} has only one class, {only!r}: there is nothing to learn.")


def label_id(task: Task, text: str, place: str) -> int:
    """Return the class id of a label, given as the text in the data and never as a number.

    Raises DataError for an unknown label; `place` is its position for the message, such as file and line.
    """
    label = task.label_values.get(text, text)
    if label not in task.labels:
        allowed = ", ".join([*task.label_values, *task.labels])
        raise DataError(f"{place}: unknown label {text!r}: {task.name} has {allowed}.")
    return task.labels.index(label)


def gold_score(task: Task, value: str | float, place: str) -> float:
    """Return the gold score of a regression as a number in the task's range; raise DataError naming `place`."""
    try:
        score = float(value)
    except ValueError:
        score = math.nan
    low, high = task.score_range or (-math.inf, math.inf)
    if not math.isfinite(score) or not low <= score <= high:
        span = f" from {low:g} to {high:g}" if task.score_range else ""
        raise DataError(f"{place}: the score {value!r} is not a number{span}.")
    return round(score, DECIMALS)
