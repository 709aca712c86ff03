"""The nine records of mini-GLUE, beside those of the tasks they stand for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from matekd_bench import Task
from matekd_tasks import matekd_bench_tasks
from matekd_tasks.mini import mini_tasks

MINI = {task.name: task for task in mini_tasks()}
GLUE = {task.name: task for task in matekd_bench_tasks() if not task.synthetic}
NAMES = ["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli"]


@pytest.mark.parametrize("name", NAMES)
def test_a_record_has_the_schema_of_its_task(name: str) -> None:
    mini, glue = MINI[f"mini-{name}"], GLUE[name]
    shared = ("kind", "fields", "labels", "metrics", "score_range", "dev", "test", "train", "label_gate")
    assert {field: getattr(mini, field) for field in shared} == {
        field: getattr(glue, field) for field in shared
    }
    assert (mini.synthetic, mini.stands_for, mini.title) == (True, name, f"mini-{glue.title}")
    assert set(mini.splits) == set(glue.splits)
    assert (mini.hub_id, mini.folder, mini.columns) == (None, None, {})


@pytest.mark.parametrize("task", MINI.values(), ids=lambda task: task.name)
def test_the_reader_delivers_what_the_record_says(task: Task) -> None:
    for name, split in task.splits.items():
        rows = task.reader(name)
        assert len(rows.texts) == split.rows
        assert (rows.labels is not None) == split.labeled
        assert {len(texts) for texts in rows.texts} == {len(task.fields)}
        if rows.labels is not None and task.labels:
            assert set(rows.labels) == set(range(len(task.labels)))
        elif rows.labels is not None and task.score_range:
            assert task.score_range[0] == min(rows.labels)
            assert task.score_range[1] == max(rows.labels)


def test_listing_the_tasks_makes_no_rows_and_loads_no_library() -> None:
    code = (
        "import sys; from matekd_tasks.mini import mini_tasks, splits; list(mini_tasks());"
        "print(splits._made.cache_info().currsize, *(m for m in ('torch', 'sklearn', 'pandas') if m in sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["0"]
