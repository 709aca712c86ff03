"""Notices about the labels of the user's own data: variants of one label, missing values, constant scores, no label."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from matekd_bench.spelling import counted
from matekd_bench.tasks.task import Examples, Task

MISSING = (
    "nan",
    "null",
    "n/a",
    "na",
    "#n/a",
    "<na>",
)  # what tables contain in place of a missing value, in any case


def label_notices(task: Task, splits: Sequence[Examples]) -> Iterator[str]:
    """Yield what is unusual about the labels of these splits; labels are named with their number of rows."""
    if task.kind == "regression":
        yield from _constant_scores(splits)
        return
    counts = Counter(label for examples in splits for label in examples.gold)
    named = {
        label: f"{label!r} ({counted(counts[number], 'row')})" for number, label in enumerate(task.labels)
    }
    for variants in _variants(task.labels):
        yield (
            f"the labels {', '.join(named[label] for label in variants)} differ only in spelling: if they mean the "
            "same, keep one in 'labels', and map the others to it in 'label_values' of the task file."
        )
    for label in task.labels:
        if label.strip().casefold() in MISSING:
            yield f"the label {named[label]} looks like a missing value: if it is one, leave the cell empty."


def unlabeled_notice(train: Examples) -> Iterator[str]:
    """Yield how many training rows have no label, if any, and how they are used."""
    if train.unlabeled:
        yield (
            f"{train.unlabeled} of {len(train)} training rows have no label: students learn them only from the "
            "teacher, which is fine-tuned without them; finetune learns nothing from them."
        )


def _variants(labels: Sequence[str]) -> Iterator[list[str]]:
    """Yield the groups of labels that are equal apart from outer blanks, case, Unicode form and form of numbers."""
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
