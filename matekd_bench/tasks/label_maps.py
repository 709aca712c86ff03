"""Says which classes of a task's models mean which labels of another set, and why such models cannot answer it."""

from __future__ import annotations

from matekd_bench.errors import UsageError
from matekd_bench.tasks.task import Task


def class_map(task: Task, other: Task) -> tuple[int, ...]:
    """Return for each class id of `task` the class id of `other` that it means; empty for a regression.

    Labels of the same name mean each other, unless the `label_map` of `other` says something else. Raises UsageError if
    the models of `task` cannot answer the rows of `other`.
    """
    if reason := _misfit(task, other):
        raise UsageError(f"models of '{task.name}' cannot answer '{other.name}': {reason}.")
    return tuple(other.labels.index(other.label_map.get(label, label)) for label in task.labels)


def _misfit(task: Task, other: Task) -> str | None:
    """Return why the models of a task cannot answer another one's rows; None if they can."""
    if other.evaluated_with not in (None, task.name):
        return f"its rows are for models of '{other.evaluated_with}'"
    if len(task.fields) != len(other.fields):
        return f"its rows have {_texts(other)}, but those of '{task.name}' have {_texts(task)}"
    if task.kind != other.kind:
        return f"it is a {other.kind}"
    means = {label: other.label_map.get(label, label) for label in task.labels}
    if unknown := [label for label, meant in means.items() if meant not in other.labels]:
        labels = ", ".join(other.labels)
        return f"it has no label for their '{unknown[0]}', only {labels} (set label_map in its task file)"
    if missed := [label for label in other.labels if label not in means.values()]:
        return f"none of their labels means '{missed[0]}' (set label_map in its task file)"
    return None


def _texts(task: Task) -> str:
    return "two texts" if len(task.fields) == 2 else "one text"
