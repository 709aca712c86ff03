"""Reads texts and labels from the user's files and checks every row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matekd_bench.errors import DataError
from matekd_bench.files.user_tables import TableLine, check_column, read_lines, texts_of, whole_text
from matekd_bench.tasks.sources.source import check_train_labels, gold_score, label_id, label_text
from matekd_bench.tasks.task import Rows, Task


@dataclass(frozen=True)
class OwnFiles:
    """The files of an own task, by split, and their encoding."""

    paths: dict[str, Path]
    encoding: str

    def rows(self, task: Task, split: str) -> Rows:
        """Return the rows of one split; raise DataError with file and line for a missing column, text or label.

        Rows of train may have no label.
        """
        file = self.paths[split]
        lines, columns = read_lines(file, self.encoding), task.columns_of(task.splits[split])
        texts = texts_of(lines, [columns[field] for field in task.fields], file)
        check_column(file, lines, columns["label"])
        labels: list[Any] = [_label_of(task, line, columns["label"], file) for line in lines]
        if split == task.train:
            check_train_labels(task, labels, f"'{file}'")
        elif None in labels:
            number = lines[labels.index(None)].number
            raise DataError(f"'{file}', line {number}: the label '{columns['label']}' is missing.")
        return Rows(texts, labels)


def written_label(line: TableLine, column: str, file: Path) -> str | None:
    """Return the label of a row as text, None if it is missing; raise DataError for a value that cannot be a label."""
    text = label_text(line.cells.get(column), f"'{file}', line {line.number}")
    return None if text is None else whole_text(text, line, column, file)


def _label_of(task: Task, line: TableLine, column: str, file: Path) -> int | float | None:
    """Return the class id or gold score of a row; None if it has no label."""
    text, place = written_label(line, column, file), f"'{file}', line {line.number}"
    if text is None:
        return None
    return gold_score(task, text, place) if task.kind == "regression" else label_id(task, text, place)
