"""Reads texts and labels from the user's files and checks every row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matekd_bench.errors import DataError
from matekd_bench.files.user_tables import TableLine, read_lines
from matekd_bench.tasks.sources.source import gold_score, label_id, list_available
from matekd_bench.tasks.task import Rows, Task


@dataclass(frozen=True)
class OwnFiles:
    """The files of an own task, by split."""

    paths: dict[str, Path]

    def rows(self, task: Task, split: str) -> Rows:
        """Return the rows of one split; raise DataError with file and line for a missing column, text or label."""
        file = self.paths[split]
        lines, columns = read_lines(file), task.columns_of(task.splits[split])
        for column in columns.values():
            check_column(file, lines, column)
        fields = [columns[field] for field in task.fields]
        texts = [tuple(text_of(line, column, file) for column in fields) for line in lines]
        labels: list[Any] = [label_of(task, line, columns["label"], file) for line in lines]
        if task.labels and split == task.train and len(set(labels)) == 1:
            raise DataError(
                f"'{file}' has one class only, {task.labels[labels[0]]!r}: there is nothing to learn."
            )
        return Rows(texts, labels)


def check_column(file: Path, lines: Sequence[TableLine], column: str) -> None:
    """Raise DataError, with the nearest name, if the first row has no such column."""
    present = list(lines[0].cells)
    if column not in present:
        raise DataError(f"no column '{column}' in '{file}': {list_available(column, present)}")


def text_of(line: TableLine, column: str, file: Path) -> str:
    """Return a cell; raise DataError if it is missing or not text."""
    value = line.cells.get(column)
    if not isinstance(value, str):
        problem = "is missing" if value is None else f"is {value!r}, not text"
        raise DataError(f"'{file}', line {line.number}: '{column}' {problem}.")
    return value


def label_text(line: TableLine, column: str, file: Path) -> str:
    """Return the label of a row as text; numbers and truth values of JSON are converted with `str`."""
    value = line.cells.get(column)
    if value is None or value == "":
        raise DataError(f"'{file}', line {line.number}: the label '{column}' is missing.")
    return value if isinstance(value, str) else str(value)


def label_of(task: Task, line: TableLine, column: str, file: Path) -> int | float:
    """Return the class id or gold score of a row."""
    text, place = label_text(line, column, file), f"'{file}', line {line.number}"
    return gold_score(task, text, place) if task.kind == "regression" else label_id(task, text, place)
