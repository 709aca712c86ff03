"""Which classes of a task's models mean which labels of another set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from matekd_bench.errors import DataError, UsageError
from matekd_bench.tasks.label_maps import class_map
from matekd_bench.tasks.task import Split, Task
from matekd_bench.tasks.task_files import load_task_file
from matekd_tasks import matekd_bench_tasks

TASKS = {task.name: task for task in matekd_bench_tasks()}


def other(**changes: Any) -> Task:
    """Pairs with the labels no and yes, and nothing that says what they mean."""
    task = Task(
        name="claims", title="", summary="", kind="classification", fields=("a", "b"), labels=("no", "yes"),
        metrics=("accuracy",), splits={"dev": Split("", "dev.csv", 4)}, train=None,
    )  # fmt: skip
    return replace(task, **changes)


@pytest.mark.parametrize(
    ("task", "further", "classes"),
    [
        ("mnli", "hans", (0, 1, 1)),
        ("mnli", "hans-regenerated", (0, 1, 1)),
        ("mnli", "ax", (0, 1, 2)),
        ("qqp", "paws", (0, 1)),
        *((name, f"advglue-{name}", (0, 1)) for name in ("sst2", "qqp", "qnli", "rte")),
        *(("mnli", f"advglue-{name}", (0, 1, 2)) for name in ("mnli", "mnli-mm")),
    ],
)
def test_the_sets_that_come_with_the_suite(task: str, further: str, classes: tuple[int, ...]) -> None:
    assert class_map(TASKS[task], TASKS[further]) == classes


def test_labels_mean_what_the_map_says_and_else_their_own_name() -> None:
    means = {"entailment": "yes", "not_entailment": "no"}
    assert class_map(TASKS["rte"], other(label_map=means)) == (1, 0)
    same_name = other(labels=("entailment", "no"), label_map={"not_entailment": "no"})
    assert class_map(TASKS["rte"], same_name) == (0, 1)
    scores = replace(TASKS["stsb"], name="more", train=None)
    assert class_map(TASKS["stsb"], scores) == ()


@pytest.mark.parametrize(
    ("task", "further", "named"),
    [
        ("rte", TASKS["hans"], "'mnli'"),
        ("rte", other(), "'entailment'"),
        ("rte", other(label_map={"entailment": "no", "not_entailment": "no"}), "'yes'"),
        ("sst2", other(), "two texts"),
        ("stsb", other(), "classification"),
    ],
)
def test_why_models_cannot_answer(task: str, further: Task, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        class_map(TASKS[task], further)


def test_a_map_to_a_label_that_does_not_exist_contradicts_itself() -> None:
    with pytest.raises(DataError, match="label_map"):
        other(label_map={"entailment": "maybe"})


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ('dev = "claims.csv"', "'train'"),
        ('label_map = { entailment = "yes" }', "'dev'"),
        ('dev = "claims.csv"\nlabel_map = { entailment = "maybe" }', "label_map"),
    ],
)
def test_a_task_file_without_train_says_whose_students_answer_it(
    tmp_path: Path, lines: str, named: str
) -> None:
    head = 'name = "claims"\nkind = "classification"\ntexts = ["a"]\nlabel = "y"\nlabels = ["no", "yes"]\n'
    (tmp_path / "claims.toml").write_text(head + lines)
    with pytest.raises(DataError, match=named):
        load_task_file(tmp_path / "claims.toml")
