"""Task records: contradictions are refused, and the data state reads as it should."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from matekd_bench.errors import DataError
from matekd_bench.tasks.task import BY_ROW_COUNTS, Examples, Split, Task, TaskData

TASK = Task(
    name="tiny",
    title="Tiny",
    summary="two classes",
    kind="classification",
    fields=("text",),
    labels=("no", "yes"),
    metrics=("accuracy",),
    splits={"train": Split("train", "train.tsv", 3), "dev": Split("validation", "dev.tsv", 2)},
)


def rows(split: str, count: int, official: int) -> Examples:
    uids = tuple(f"{split}{row}" for row in range(count))
    return Examples(split, uids, tuple((uid,) for uid in uids), (0,) * count, official)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "../tiny"}, "name"),
        ({"fields": ()}, "fields"),
        ({"labels": ("yes",)}, "labels"),
        ({"labels": ("yes", "no", "yes")}, "labels"),
        ({"kind": "regression"}, "labels"),
        ({"metrics": ()}, "metrics"),
        ({"label_values": {"1": "maybe"}}, "label_values"),
        ({"splits": {**TASK.splits, "dev": Split("dev", "dev.tsv", 2, header=False)}}, "whole numbers"),
        ({"dev": ("dev-matched",)}, "splits"),
    ],
)
def test_contradictions_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        replace(TASK, **change)


BOTH = replace(TASK, dev=("dev", "other"), splits={**TASK.splits, "other": Split("o", "o.tsv", 2)})
DEV = rows("dev", 2, 2)


@pytest.mark.parametrize(
    ("task", "train", "dev", "text"),
    [
        (TASK, rows("train", 3, 3), DEV, BY_ROW_COUNTS),
        (TASK, rows("train", 2, 3), DEV, "partial (train 2 of 3)"),
        (TASK, None, rows("dev", 1, 2), "partial (dev 1 of 2)"),
        (BOTH, rows("train", 2, 3), DEV, "partial (train 2 of 3, other absent)"),
        (TASK, rows("train", 2, 3), rows("holdout", 1, 3), "partial (train 2 of 3, holdout 1 of 3)"),
    ],
)
def test_state_text_names_what_is_not_complete(
    task: Task, train: Examples | None, dev: Examples, text: str
) -> None:
    state: Any = text.split()[0]
    assert TaskData(task, "glue-dir", None, train, (dev,), state, {}).state_text == text
