"""The facts of GLUE as the built-in records state them, written down a second time."""

from __future__ import annotations

import pytest

from matekd_tasks import matekd_bench_suites, matekd_bench_tasks

TASKS = {task.name: task for task in matekd_bench_tasks()}
SUITES = {suite.name: suite for suite in matekd_bench_suites()}
ADVGLUE = ("sst2", "qqp", "mnli", "mnli-mm", "qnli", "rte")  # without "advglue-"
FURTHER = {
    "hans": ("mnli", 30000),
    "hans-regenerated": ("mnli", 30000),
    "paws": ("qqp", 677),
    **{
        f"advglue-{name}": (name.removesuffix("-mm"), rows)
        for name, rows in zip(ADVGLUE, (148, 78, 121, 162, 148, 81), strict=True)
    },
}

ROWS = {  # train, dev, test; MNLI and AX apart
    "cola": (8551, 1043, 1063),
    "sst2": (67349, 872, 1821),
    "mrpc": (3668, 408, 1725),
    "stsb": (5749, 1500, 1379),
    "qqp": (363846, 40430, 390965),
    "qnli": (104743, 5463, 5463),
    "rte": (2490, 277, 3000),
    "wnli": (635, 71, 146),
}
METRICS = {
    "cola": ("matthews",),
    "sst2": ("accuracy",),
    "mrpc": ("accuracy", "f1"),
    "stsb": ("pearson", "spearman"),
    "qqp": ("accuracy", "f1"),
    "mnli": ("accuracy",),
    "qnli": ("accuracy",),
    "rte": ("accuracy",),
    "wnli": ("accuracy",),
    "ax": ("matthews",),
}


def test_suites() -> None:
    glue = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")
    mini = tuple(f"mini-{name}" for name in glue)
    assert {name: suite.tasks for name, suite in SUITES.items()} == {
        "glue": glue,
        "glue8": glue[:-1],
        "mini-glue": mini,
        "advglue": tuple(f"advglue-{name}" for name in ADVGLUE),
    }
    assert set(TASKS) == {*glue, "ax", *mini, *FURTHER}


@pytest.mark.parametrize("name", FURTHER)
def test_further_sets_are_for_evaluation_only(name: str) -> None:
    task = TASKS[name]
    assert (task.train, task.test) == (None, ())
    assert (task.evaluated_with, task.splits["dev"].rows) == FURTHER[name]
    assert all((task.folder, task.license, task.citation))
    assert (task.hub_id is None) == (task.hub_revision is None)  # what is on the Hub is pinned


@pytest.mark.parametrize("name", ROWS)
def test_official_row_counts(name: str) -> None:
    assert tuple(TASKS[name].splits[split].rows for split in ("train", "dev", "test")) == ROWS[name]


def test_mnli_is_one_task_with_two_dev_sets() -> None:
    mnli = TASKS["mnli"]
    rows = {name: split.rows for name, split in mnli.splits.items()}
    assert rows == {
        "train": 392702,
        "dev-matched": 9815,
        "dev-mismatched": 9832,
        "test-matched": 9796,
        "test-mismatched": 9847,
    }
    assert (*mnli.dev, *mnli.test) == tuple(rows)[1:]


def test_ax_is_evaluation_only() -> None:
    ax = TASKS["ax"]
    assert (ax.train, ax.evaluated_with, ax.labels) == (None, "mnli", TASKS["mnli"].labels)
    assert {name: split.rows for name, split in ax.splits.items()} == {"diagnostic": 1104, "test": 1104}


@pytest.mark.parametrize("name", METRICS)
def test_every_record_is_pinned_and_complete(name: str) -> None:
    task = TASKS[name]
    assert (task.hub_id, task.hub_config, task.metrics) == ("nyu-mll/glue", name, METRICS[name])
    assert task.hub_revision == "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
    assert all((task.folder, task.license, task.citation))
    assert all(split.labeled != label.startswith("test") for label, split in task.splits.items())


def test_label_one_means_what_each_task_says() -> None:
    """WNLI counts the other way round than RTE and QNLI, and F1 is that of the positive class."""
    ones = {name: TASKS[name].labels[1] for name in METRICS if TASKS[name].labels}
    assert ones == {
        "cola": "acceptable",
        "sst2": "positive",
        "mrpc": "equivalent",
        "qqp": "duplicate",
        "mnli": "neutral",
        "qnli": "not_entailment",
        "rte": "not_entailment",
        "wnli": "entailment",
        "ax": "neutral",
    }
    assert TASKS["stsb"].score_range == (0.0, 5.0)


def test_written_numbers_are_the_class_ids() -> None:
    for task in TASKS.values():
        assert all(task.labels[int(value)] == label for value, label in task.label_values.items())
