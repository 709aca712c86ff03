"""Precision, recall and F1 of each class of a student's answers, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matekd_bench.errors import UsageError
from matekd_bench.tasks.metrics import predictions_of
from matekd_bench.tasks.task import Examples, Task
from matekd_bench.tools.predict import StudentAnswers, labeled_logits


@dataclass(frozen=True)
class ClassScores:
    """The scores of one class as fractions, 0 if undefined, and `support`, its number of gold rows."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class ClassReport:
    """The scores of each class, and the numbers of rows by gold class (row) and predicted class (column)."""

    classes: tuple[ClassScores, ...]
    confusion: Sequence[Sequence[int]]


def check_reportable(task: Task, examples: Examples) -> None:
    """Raise UsageError for a task or a split for which there is no report."""
    if task.kind == "regression":
        raise UsageError(f"--report: {task.name} has scores, but a report needs classes.")
    if examples.labels is None:
        raise UsageError(
            f"--report: {task.name} {examples.split} has no labels; use another split, such as --split {task.dev[0]}."
        )


def class_report(task: Task, examples: Examples, answers: StudentAnswers) -> ClassReport:
    """Compute the report of the answers to the rows of a split that have a label."""
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    predicted = predictions_of(task, labeled_logits(task, examples, answers))
    ids = range(len(task.labels))
    columns = precision_recall_fscore_support(examples.gold, predicted, labels=ids, zero_division=0.0)
    rows = zip(task.labels, *(column.tolist() for column in columns), strict=True)
    confusion = confusion_matrix(examples.gold, predicted, labels=ids)
    return ClassReport(tuple(ClassScores(*row) for row in rows), confusion.tolist())
