"""Notices on the labels of the user's own data: spellings of one label, missing values, constant scores, no label."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from matekd_bench.tasks.task import Examples, Task

MISSING = (
    "nan",
    "null",
    "n/a",
    "na",
    "#n/a",
    "<na>",
)  # what tables write where there is no value, in any case


def label_notices(task: Task, splits: Sequence[Examples]) -> Iterator[str]:
    """Yield what is odd about the labels of these splits; names of labels come with their number of rows."""
    if task.kind == "regression":
        yield from _constant_scores(splits)
        return
    counts = Counter(label for examples in splits for label in examples.gold)
    named = {label: f"{label!r} ({_rows(counts[number])})" for number, label in enumerate(task.labels)}
    for variants in _variants(task.labels):
        yield (
            f"the labels {', '.join(named[label] for label in variants)} differ only in how they are written: if they "
            "are one, keep one in 'labels' and name it for the others in 'label_values' of the task file."
        )
    for label in task.labels:
        if label.strip().casefold() in MISSING:
            yield f"the label {named[label]} reads like a missing value: leave the cell empty if it is one."


def unlabeled_notice(train: Examples) -> Iterator[str]:
    """Yield how many rows of train have no label, if any, and what becomes of them."""
    if train.unlabeled:
        yield (
            f"{train.unlabeled} of {len(train)} train rows have no label: students learn them from the teacher alone, "
            "which is fine-tuned without them; finetune learns nothing from them."
        )


def _variants(labels: Sequence[str]) -> Iterator[list[str]]:
    """Yield the groups of labels that are equal without blanks around them, case, Unicode form and form of numbers."""
    groups: dict[str | float, list[str]] = defaultdict(list)
    for label in labels:
        groups[_plain(label)].append(label)
    return (group for group in groups.values() if len(group) > 1)


def _plain(label: str) -> str | float:
    """Return a number as its value, other labels in one form and case."""
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", label).strip().casefold())
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def _constant_scores(splits: Sequence[Examples]) -> Iterator[str]:
    for examples in splits:
        if len(examples.gold) > 1 and len(set(examples.gold)) == 1:
            yield (
                f"all {len(examples.gold)} scores of {examples.split} are {examples.gold[0]:g}: no correlation can be "
                "computed, and there is nothing to learn."
            )


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"
