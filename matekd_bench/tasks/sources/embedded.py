"""Reads tasks that bring their own data, through the `reader` function of their records."""

from __future__ import annotations

from dataclasses import dataclass

from matekd_bench.errors import DataError
from matekd_bench.foreign_code import blamed
from matekd_bench.tasks.task import Rows, Task


@dataclass(frozen=True)
class Embedded:
    """A source that gets the rows of a task from the task itself."""

    name: str = "embedded"

    def revision(self, task: Task) -> str | None:
        """Return None: there is no version; the digests of the rows identify them."""
        return None

    def read(self, task: Task, split: str) -> Rows:
        """Return the rows of the split from the task's reader.

        Raises DataError if the task has no reader, or if the reader fails or returns invalid rows.
        """
        if task.reader is None:
            raise DataError(f"task {task.name} has no data of its own.")
        with blamed(f"{task.name} {split} could not be read", DataError):
            rows = task.reader(split)
        problem = _problem(task, split, rows)
        if problem:
            raise DataError(f"the reader of {task.name} returned invalid rows for {split}: {problem}.")
        return rows


def _problem(task: Task, split: str, rows: Rows) -> str | None:
    """Return what is wrong with the rows of a split, or None."""
    if misshapen := [row for row in rows.texts if len(row) != len(task.fields)]:
        return f"a row has {len(misshapen[0])} texts, but {len(task.fields)} are needed"
    if task.splits[split].labeled != (rows.labels is not None):
        return "labels " + ("are missing" if rows.labels is None else "although the task has none there")
    if rows.labels is None:
        return None
    if len(rows.labels) != len(rows.texts):
        return f"{len(rows.labels)} labels for {len(rows.texts)} rows"
    known = [label for label in rows.labels if label is not None]
    if len(known) < len(rows.labels) and split != task.train:
        return "labels are missing"
    if task.kind == "classification":
        bad: list[float] = [label for label in known if label not in range(len(task.labels))]
    else:
        low, high = task.score_range or (float("-inf"), float("inf"))
        bad = [label for label in known if not low <= label <= high]
    return f"the label {bad[0]!r}" if bad else None
