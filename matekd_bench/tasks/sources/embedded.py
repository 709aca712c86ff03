"""Tasks that bring their own data: their records hold the function that makes or reads it."""

from __future__ import annotations

from dataclasses import dataclass

from matekd_bench.errors import BenchError, DataError
from matekd_bench.tasks.task import Rows, Task


@dataclass(frozen=True)
class Embedded:
    """The task itself as a source."""

    name: str = "embedded"

    def revision(self, task: Task) -> str | None:
        """None: the digests of the rows identify them."""
        return None

    def read(self, task: Task, split: str) -> Rows:
        """What the task's reader gives for the split. Raises DataError where it has none, fails or is wrong."""
        if task.reader is None:
            raise DataError(f"task {task.name} brings no data of its own.")
        try:
            rows = task.reader(split)
        except BenchError:
            raise
        except Exception as error:  # a plugin's function: whatever it raises is about this task's data
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise DataError(f"{task.name} {split} could not be read: {reason}.") from error
        problem = _problem(task, split, rows)
        if problem:
            raise DataError(f"the reader of {task.name} gave wrong rows for {split}: {problem}.")
        return rows


def _problem(task: Task, split: str, rows: Rows) -> str | None:
    if wrong := [row for row in rows.texts if len(row) != len(task.fields)]:
        return f"{len(wrong[0])} texts in a row where {len(task.fields)} are needed"
    if task.splits[split].labeled != (rows.labels is not None):
        return "labels " + ("are missing" if rows.labels is None else "where the task says there are none")
    if rows.labels is None:
        return None
    if len(rows.labels) != len(rows.texts):
        return f"{len(rows.labels)} labels for {len(rows.texts)} rows"
    if task.kind == "classification":
        bad: list[float] = [label for label in rows.labels if label not in range(len(task.labels))]
    else:
        low, high = task.score_range or (float("-inf"), float("inf"))
        bad = [label for label in rows.labels if not low <= label <= high]
    return f"the label {bad[0]!r}" if bad else None
