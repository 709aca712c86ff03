"""Reads texts and labels from the user's files and checks every row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matekd_bench.errors import DataError
from matekd_bench.files.user_tables import TableLine, check_column, read_lines, texts_of, whole_text
from matekd_bench.tasks.sources.source import gold_score, label_id
from matekd_bench.tasks.task import Rows, Task


@dataclass(frozen=True)
class OwnFiles:
    """The files of an own task, by split."""

    paths: dict[str, Path]

    def rows(self, task: Task, split: str) -> Rows:
        """Return the rows of one split; raise DataError with file and line for a missing column, text or label."""
        file = self.paths[split]
        lines, columns = read_lines(file), task.columns_of(task.splits[split])
        check_column(file, lines, columns["label"])
        texts = texts_of(lines, [columns[field] for field in task.fields], file)
        labels: list[Any] = [label_of(task, line, columns["label"], file) for line in lines]
        if task.labels and split == task.train and len(set(labels)) == 1:
            raise DataError(
                f"'{file}' has one class only, {task.labels[labels[0]]!r}: there is nothing to learn."
            )
        return Rows(texts, labels)


def label_text(line: TableLine, column: str, file: Path) -> str:
    """Return the label of a row as text; numbers and truth values of JSON are converted with `str`."""
    value = line.cells.get(column)
    if value is None or value == "":
        raise DataError(f"'{file}', line {line.number}: the label '{column}' is missing.")
    return whole_text(str(value), line, column, file)


def label_of(task: Task, line: TableLine, column: str, file: Path) -> int | float:
    """Return the class id or gold score of a row."""
    text, place = label_text(line, column, file), f"'{file}', line {line.number}"
    return gold_score(task, text, place) if task.kind == "regression" else label_id(task, text, place)
