"""Checks of teacher answers from a file: the methods for which they suffice, and the rows that they cover."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from matekd_bench.errors import BenchError, PluginError, UsageError
from matekd_bench.foreign_code import blamed
from matekd_bench.methods.perturbation import wrong_result
from matekd_bench.study.plan.grid import Cell
from matekd_bench.tasks.teacher_answers import TaskAnswers

Texts: TypeAlias = tuple[str, ...]


def check_answerable(cell: Cell) -> None:
    """Raise UsageError for a method that asks the teacher about input that cannot be in a file."""
    if cell.recipe.answers is None:
        return
    if cell.job.method.asks_teacher and _perturbed_rows(cell) is None:
        raise UsageError(
            f"method '{cell.job.variant}' asks the teacher about input made during training, but the teacher's answers "
            f"come from '{cell.recipe.answers.file}'.",
            hint="Leave out the method, or name a teacher with --teacher.",
        )


def answer_notes(cells: Sequence[Cell]) -> list[str]:
    """Check that the answers cover all rows that the teacher is asked about; return a sentence for each task.

    Raises DataError, naming file and line or the first row without an answer.
    """
    notes = []
    for task in {cell.data.task.name: cell for cell in cells}.values():
        if task.recipe.answers is None:
            continue
        name, answers = task.data.task.name, task.recipe.answers.of(task.data)
        summary = answers.summary  # reads the answers to the training rows first: they matter to every method
        of_task = {cell.job.variant: cell for cell in cells if cell.data.task.name == name}.values()
        notes += [
            f"{name}: {summary}",
            *(note for cell in of_task for note in _notes_on_texts(cell, answers)),
        ]
    return notes


def _notes_on_texts(cell: Cell, answers: TaskAnswers) -> list[str]:
    """Check the answers to the perturbed rows of a method, if they are known, and report their number."""
    if not (versions := _perturbed_rows(cell)):
        return []
    variant, task = cell.job.variant, cell.data.task.name
    try:
        count = answers.check_texts(versions)
    except BenchError as error:
        raise type(error)(f"method '{variant}' on task '{task}': {error.message}", hint=error.hint) from error
    return [f"{variant} on {task}: all {count} perturbed rows are answered"]


def _perturbed_rows(cell: Cell) -> list[Texts] | None:
    """Return the perturbed rows that a method will ask the teacher about; None if they are not known."""
    method, params = cell.job.method, cell.job.params
    with blamed(f"method '{cell.job.variant}' cannot list its perturbed rows", PluginError):
        versions: Iterable[object] | None = method.perturbed_rows(params, cell.data.training_texts)
        rows = None if versions is None else [_as_texts(texts) for texts in versions]
    if rows is not None and None in rows:
        raise wrong_result(
            method.perturbed_rows, "a row that is not a tuple", "return a tuple of texts for each row"
        )
    return None if rows is None else [texts for texts in rows if texts is not None]


def _as_texts(texts: object) -> Texts | None:
    return texts if isinstance(texts, tuple) and all(isinstance(text, str) for text in texts) else None
