"""Mini-GLUE: nine small tasks with the format of GLUE's, written by a deterministic generator.

Importing this module generates nothing; the rows of a task are made when its data is first read.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from matekd_bench import Split, Task, load_tasks

from .splits import TASKS, rows, sizes

NAME = "mini-"
SUMMARIES = {
    "cola": "Is a made-up sentence grammatical? The wrong ones break one rule.",
    "sst2": "Is a made-up opinion on a film positive or negative?",
    "mrpc": "Do two made-up sentences state the same fact?",
    "stsb": "How much do two made-up scenes share, from 0 to 5?",
    "qqp": "Do two made-up questions ask the same thing?",
    "mnli": "Does a made-up hypothesis follow from a premise, contradict it, or neither?",
    "qnli": "Does a made-up sentence answer a question?",
    "rte": "Does a made-up sentence follow from a short text?",
    "wnli": "Does a made-up sentence with its pronoun resolved follow from the original?",
}
NOTES = {
    "cola": "70 % of the rows are acceptable, as in CoLA.",
    "wnli": "Half of the dev sentences are in train with the opposite label, as in WNLI: expect scores at chance.",
}


def mini_tasks() -> Iterator[Task]:
    """Yield the nine task records, with the fields, labels and metrics of the GLUE tasks that they imitate."""
    glue = {task.name: task for task in load_tasks(Path(__file__).parent.parent)}
    for name in TASKS:
        yield _record(glue[name])


def _record(task: Task) -> Task:
    """Return the synthetic task that imitates a task of GLUE."""
    splits = {
        split: Split(hub="", file="", rows=count, labeled=not split.startswith("test"))
        for split, count in sizes(task.name).items()
    }
    return Task(
        name=NAME + task.name,
        title=NAME + task.title,
        summary=SUMMARIES[task.name],
        kind=task.kind,
        fields=task.fields,
        labels=task.labels,
        metrics=task.metrics,
        splits=splits,
        dev=task.dev,
        test=task.test,
        score_range=task.score_range,
        label_gate=task.label_gate,
        license="Apache-2.0, like the generator.",
        notes=NOTES.get(task.name, ""),
        synthetic=True,
        reader=partial(rows, task.name),
        stands_for=task.name,
    )
