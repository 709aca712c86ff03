"""docs/mini-glue.md: its examples are real and its numbers are those of the data."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from matekd_tasks.mini import mini_tasks
from matekd_tasks.mini.splits import rows, sizes

PAGE = (Path(__file__).parents[3] / "docs" / "mini-glue.md").read_text(encoding="utf-8")
EXAMPLES = re.compile(r"^## mini-(\w+)$.*?^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LABELS = {task.stands_for: task.labels for task in mini_tasks()}


def shown() -> list[tuple[str, str]]:
    """Task and line of every example."""
    return [(task, line) for task, block in EXAMPLES.findall(PAGE) for line in block.splitlines()]


def test_every_task_has_an_example_of_each_class() -> None:
    labels = {task: {line.split(": ")[0] for name, line in shown() if name == task} for task, _ in shown()}
    assert set(labels) == set(LABELS)
    for task, found in labels.items():
        assert found == set(LABELS[task]) or (task == "stsb" and len(found) == 2)


@pytest.mark.parametrize(("task", "line"), shown(), ids=lambda value: value[:40])
def test_an_example_is_in_the_training_rows(task: str, line: str) -> None:
    label, text = line.split(": ", 1)
    found = rows(task, "train")
    known = dict(zip(found.texts, found.labels, strict=True))
    gold = known[tuple(text.split(" | "))]
    assert label == (str(gold) if task == "stsb" else LABELS[task][int(gold)])


@pytest.mark.parametrize("task", LABELS)
def test_the_table_has_the_sizes(task: str) -> None:
    (line,) = re.findall(rf"^\| `mini-{task}` \|(.*)$", PAGE, re.MULTILINE)
    stated = Counter(map(int, re.findall(r"\d+", "|".join(line.split("|")[:3]))))
    assert stated == Counter(sizes(task).values())
