"""A new task out of the user's data: what its labels are, whether it can be learned from, and what it looks like."""

from __future__ import annotations

import os
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matekd_bench.errors import DataError, unknown
from matekd_bench.files.tables import TableLine, read_lines
from matekd_bench.tasks.own.own_rows import check_column, written
from matekd_bench.tasks.own.own_task import OwnTask, beside, own_task
from matekd_bench.tasks.sources.hub import Hub
from matekd_bench.tasks.sources.source import what_is_there
from matekd_bench.tasks.sources.task_data import load_split, own_notices, source_of
from matekd_bench.tasks.task import Examples, Task

MOST_CLASSES = 20  # more different numbers than this are scores
SHOWN_CLASSES = 6


@dataclass(frozen=True)
class Survey:
    """A task and what was found in its data: rows by split, and sentences for the user."""

    own: OwnTask
    task: Task
    splits: tuple[Examples, ...]
    notices: tuple[str, ...]

    def counts(self, examples: Examples) -> str:
        """How many rows have which label, or how the scores spread."""
        labels = examples.labels or ()
        if not self.task.labels:
            return f"scores {min(labels):g} to {max(labels):g}, mean {statistics.fmean(labels):.3g}"
        counted = Counter(labels)
        listed = [f"{self.task.labels[int(one)]} {counted[one]}" for one in sorted(counted)]
        more = len(listed) - SHOWN_CLASSES
        return ", ".join(listed[:SHOWN_CLASSES]) + (f" and {more} more" if more > 0 else "")

    def lengths(self, examples: Examples) -> str:
        """How many words a row has, its texts together."""
        words = sorted(sum(len(text.split()) for text in texts) for texts in examples.texts)
        return f"median {statistics.median(words):g}, longest {words[-1]}"


def survey(own: OwnTask, folder: Path) -> Survey:
    """Reads every row of a task; `folder` is what its files are relative to.

    Raises DataError, naming file and line, for whatever a study would stop at.
    """
    task = own_task(own, folder)
    source = source_of(task, Hub())
    train, dev = (load_split(task, source, split) for split in ("train", "dev"))
    notices = own_notices(task, train, [dev])
    twice = len(train.texts) - len(set(train.texts))
    if twice:
        notices.append(f"{twice} of {len(train)} train rows repeat another one's text.")
    empty = sum(not any(text.strip() for text in texts) for texts in train.texts)
    if empty:
        notices.append(f"{empty} train rows have no text.")
    return Survey(own, task, (train, dev), tuple(notices))


def with_labels(own: OwnTask, kind: str | None, labels: Sequence[str], folder: Path) -> OwnTask:
    """`own` as a classification or regression, as asked or as train's labels look, with its labels in order.

    Raises UsageError for an unknown kind, DataError for labels that cannot be read, or that are none.
    """
    if kind not in (None, "classification", "regression"):
        raise unknown("kind", str(kind), ("classification", "regression"))
    found = _hub_labels(own, folder) if own.hub else _file_labels(own, folder)
    distinct = sorted(set(found), key=_order)
    if kind is None and not labels and len(distinct) > MOST_CLASSES and all(map(_number, distinct)):
        kind = "regression"
    if kind == "regression":
        return own.model_copy(update={"kind": "regression", "labels": ()})
    if len(distinct) < 2:
        raise DataError(f"'{own.train}' has one class only, {distinct[0]!r}: there is nothing to learn.")
    if len(distinct) > len(found) // 2 and not labels:
        raise DataError(
            f"the column '{own.label}' of '{own.train}' has {len(distinct)} different values in {len(found)} rows: "
            "is it the label?",
            hint="For scores add --kind regression.",
        )
    return own.model_copy(update={"kind": "classification", "labels": tuple(labels) or tuple(distinct)})


def columns(file: Path) -> tuple[str, ...]:
    """The columns of a file's first row."""
    return tuple(read_lines(file)[0].cells)


def _file_labels(own: OwnTask, folder: Path) -> list[str]:
    file = beside(folder, own.train)
    lines: list[TableLine] = read_lines(file)
    for column in (*own.texts, own.label):
        check_column(file, lines, column)
    return [written(line, own.label, file) for line in lines]


def _hub_labels(own: OwnTask, folder: Path) -> list[str]:
    """Labels by name, where the data set has names for its numbers."""
    task = own_task(own.model_copy(update={"kind": "regression", "labels": (), "metrics": ()}), folder)
    splits = Hub().splits(task)
    for split in (own.train, own.dev):
        if split not in splits:
            raise DataError(f"no split '{split}' in '{own.hub}': {what_is_there(split, list(splits))}")
    data = splits[own.train]
    if own.label not in data.column_names:
        raise DataError(
            f"no column '{own.label}' in '{own.hub}': {what_is_there(own.label, data.column_names)}"
        )
    names = getattr(data.features[own.label], "names", None)
    values = data[own.label][:]
    return [str(value) if names is None else names[value] for value in values if value is not None]


def _order(label: str) -> tuple[bool, float, str]:
    """Numbers by value, then the rest by letter."""
    return (False, float(label), label) if _number(label) else (True, 0.0, label)


def _number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False


def relative_to(path: Path, folder: Path) -> str:
    """`path` as the TOML file in `folder` writes it."""
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
