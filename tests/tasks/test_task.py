"""Task records: contradictions are refused, and the data state reads as it should."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from matekd_bench.errors import DataError
from matekd_bench.tasks.task import Examples, Split, Task, TaskData

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


def data(task: Task, train: Examples | None, *dev: Examples, state: Any = "partial") -> TaskData:
    return TaskData(task, "glue-dir", None, train, dev, state, {})


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


def test_outputs_is_the_width_of_the_logits() -> None:
    assert TASK.outputs == 2
    assert replace(TASK, kind="regression", labels=()).outputs == 1


def test_a_task_without_a_test_split_is_fine() -> None:
    assert "test" not in TASK.splits


def test_state_text_names_what_is_not_complete() -> None:
    assert data(TASK, rows("train", 3, 3), rows("dev", 2, 2), state="official").state_text == "official"
    assert data(TASK, rows("train", 2, 3), rows("dev", 2, 2)).state_text == "partial (train 2 of 3)"
    assert data(TASK, None, rows("dev", 1, 2)).state_text == "partial (dev 1 of 2)"


def test_state_text_names_an_absent_split() -> None:
    both = replace(TASK, dev=("dev", "other"), splits={**TASK.splits, "other": Split("o", "o.tsv", 2)})
    text = data(both, rows("train", 2, 3), rows("dev", 2, 2)).state_text
    assert text == "partial (train 2 of 3, other absent)"


def test_state_text_of_a_holdout_does_not_call_dev_absent() -> None:
    text = data(TASK, rows("train", 2, 3), rows("holdout", 1, 3)).state_text
    assert text == "partial (train 2 of 3, holdout 1 of 3)"
