"""Examines the user's data for a new task: finds its labels, checks every row, and describes the result."""

from __future__ import annotations

import os
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from matekd_bench.errors import DataError, UsageError, list_available, unknown
from matekd_bench.files.reading import text_encoding
from matekd_bench.files.user_tables import check_column, read_lines
from matekd_bench.tasks.own.own_rows import written_label
from matekd_bench.tasks.own.own_task import OwnTask, hub_place, own_task, resolve_file
from matekd_bench.tasks.sources.hub import Hub, label_names, pinned_revision, written_labels
from matekd_bench.tasks.sources.label_notices import unlabeled_notice
from matekd_bench.tasks.sources.task_data import load_split, own_notices, source_of
from matekd_bench.tasks.task import Examples, Task

MOST_CLASSES = 20  # a column with more different numbers than this is taken for scores
SHOWN_CLASSES = 6


@dataclass(frozen=True)
class Survey:
    """A task with its data: the rows of train and dev, and notices for the user."""

    own: OwnTask
    task: Task
    splits: tuple[Examples, ...]
    notices: tuple[str, ...]

    def counts(self, examples: Examples) -> str:
        """Return the number of rows per label, or range and mean of the scores, as text."""
        labels, none = examples.gold, f"; no label {examples.unlabeled}" * bool(examples.unlabeled)
        if not self.task.labels:
            return f"scores {min(labels):g} to {max(labels):g}, mean {statistics.fmean(labels):.3g}{none}"
        counts = Counter(labels)
        listed = [f"{self.task.labels[int(label)]} {counts[label]}" for label in sorted(counts)]
        more = len(listed) - SHOWN_CLASSES
        return ", ".join(listed[:SHOWN_CLASSES]) + (f" and {more} more" if more > 0 else "") + none

    def lengths(self, examples: Examples) -> str:
        """Return the median and maximum number of words per row, both texts together, as text."""
        words = sorted(sum(len(text.split()) for text in texts) for texts in examples.texts)
        return f"median {statistics.median(words):g}, longest {words[-1]}"


def survey(own: OwnTask, folder: Path) -> Survey:
    """Read every row of a task, whose files are relative to `folder`.

    Raises DataError, naming file and line, for every problem that would stop a study.
    """
    task = own_task(own, folder)
    source = source_of(task, Hub())
    train, dev = (load_split(task, source, split) for split in ("train", "dev"))
    notices = [*unlabeled_notice(train), *own_notices(task, train, [dev]), *_misread_notices(own, folder)]
    repeated = len(train.texts) - len(set(train.texts))
    if repeated:
        notices.append(f"{repeated} of {len(train)} training rows repeat another row's text.")
    empty = sum(not any(text.strip() for text in texts) for texts in train.texts)
    if empty:
        notices.append(f"{empty} training rows have no text.")
    return Survey(own, task, (train, dev), tuple(notices))


def _misread_notices(own: OwnTask, folder: Path) -> Iterator[str]:
    """Yield what is probably not read as intended: values in columns without a name, and quotes around cells."""
    for name in dict.fromkeys(filter(None, (own.train, own.dev))) if not own.hub else ():
        lines = read_lines(resolve_file(folder, name), text_encoding(own.encoding))
        if count := sum(line.overflows for line in lines):
            yield f"'{name}': {count} of {len(lines)} rows have a value in a column without a name; it is ignored."
        texts = (line.cells[column] for line in lines for column in own.texts)
        if name.lower().endswith(".tsv") and (count := sum(map(_is_quoted, texts))):
            yield (
                f"'{name}': {count} texts are quoted as in CSV, but in a .tsv file the quotes are part of the text; "
                f"save it as .csv."
            )


def _is_quoted(text: str) -> bool:
    """Return True for a cell in quotes, with each quote inside doubled, as CSV writes a cell that contains quotes."""
    return len(text) > 3 and text[0] == text[-1] == '"' and '""' in text[1:-1]


def infer_labels(own: OwnTask, kind: str | None, labels: Sequence[str], folder: Path) -> OwnTask:
    """Return `own` with its kind and its ordered labels, inferred from the labels of train, and pinned to a commit.

    Labels that the data set declares keep their order; others are sorted. `kind` and `labels` override the inferred
    ones. Raises UsageError for an unknown kind, and DataError if the labels cannot be read, are all the same or are too
    many to be labels.
    """
    if kind not in (None, "classification", "regression"):
        raise unknown("kind", str(kind), ("classification", "regression"))
    if own.hub:
        commit = pinned_revision(str(hub_place(own.hub, folder)), own.revision)
        own = own.model_copy(update={"revision": commit})
    declared, written = _hub_labels(own, folder) if own.hub else (None, _file_labels(own, folder))
    train_labels = [label for label in written if label is not None]
    distinct = sorted(set(train_labels), key=_sort_key)
    if not distinct:
        raise DataError(f"'{own.train}': no row has a label in '{own.label}'.")
    known = labels or declared
    if kind is None and not known and len(distinct) > MOST_CLASSES and all(map(_is_number, distinct)):
        kind = "regression"
    if kind == "regression":
        if labels:
            raise UsageError("labels: a regression has none:", hint="leave them out, or the kind.")
        return own.model_copy(update={"kind": "regression", "labels": ()})
    if len(distinct) < 2:
        raise DataError(f"'{own.train}' has only one class, {distinct[0]!r}: there is nothing to learn.")
    if len(distinct) > len(train_labels) // 2 and not known:
        raise DataError(
            f"the column '{own.label}' of '{own.train}' has {len(distinct)} different values "
            f"in {len(train_labels)} rows: is it the label?",
            hint="For scores add --kind regression.",
        )
    return own.model_copy(update={"kind": "classification", "labels": tuple(known or distinct)})


def _file_labels(own: OwnTask, folder: Path) -> list[str | None]:
    """Return the labels of the train file as text; raise DataError for a missing column."""
    file = resolve_file(folder, own.train)
    lines = read_lines(file, text_encoding(own.encoding))
    for column in (*own.texts, own.label):
        check_column(file, lines, column)
    return [written_label(line, own.label, file) for line in lines]


def _hub_labels(own: OwnTask, folder: Path) -> tuple[list[str] | None, list[str | None]]:
    """Return the labels that the data set declares, if any, and those of the train split on the Hub, as text."""
    task = own_task(own.model_copy(update={"kind": "regression", "labels": (), "metrics": ()}), folder)
    splits = Hub().splits(task)
    for split in filter(None, (own.train, own.dev)):
        if split not in splits:
            raise DataError(f"no split '{split}' in '{own.hub}': {list_available(split, list(splits))}")
    data = splits[own.train]
    if own.label not in data.column_names:
        raise DataError(
            f"no column '{own.label}' in '{own.hub}': {list_available(own.label, data.column_names)}"
        )
    names = label_names(data, own.label)
    return names, list(written_labels(data[own.label][:], names, (), f"'{own.hub}', {own.train}"))


def _sort_key(label: str) -> tuple[bool, float, str]:
    """Return a key that sorts numbers by value, then all other labels alphabetically."""
    return (False, float(label), label) if _is_number(label) else (True, 0.0, label)


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)  # NaN, which is not equal to itself, is not a number
    except ValueError:
        return False


def relative_to(path: Path, folder: Path) -> str:
    """Return `path` relative to `folder`, with slashes, as the TOML file in `folder` names it."""
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
