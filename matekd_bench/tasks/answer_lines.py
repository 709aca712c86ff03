"""Parses one line of a file of teacher answers: logits, probabilities, a label with its smoothing, or a score."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import Field

from matekd_bench.errors import DataError
from matekd_bench.files.user_tables import TableLine, is_empty
from matekd_bench.tasks.row_files import SHOWN, Header
from matekd_bench.tasks.sources.source import label_id, label_text
from matekd_bench.tasks.task import Task

Logits: TypeAlias = tuple[float, ...]  # of the classes in the task's order, or the score of a regression
FORMS = ("logits", "probabilities", "answer")  # the columns that may hold an answer
TOLERANCE = 0.01  # of the sum of probabilities, which may be rounded
SMALLEST = 1e-38  # replaces a probability of 0, which has no logarithm; float32 can hold it


class AnswersHeader(Header):
    """The header of a file of teacher answers, with the order of classes in lists and the smoothing of labels."""

    labels: tuple[str, ...] = ()
    smoothing: Annotated[float, Field(ge=0, lt=1)] | None = None


def answer_of(line: TableLine, header: AnswersHeader, task: Task, file: Path) -> Logits | None:
    """Return the answer of a line as logits; None if nothing is filled in.

    A label with smoothing s has the probability 1 - s + s / C, with C classes, and each other class s / C. Raises
    DataError, naming file and line, for two answers, an unknown or missing class, a value that is not a number, and
    probabilities that do not sum to 1.
    """
    place = f"'{file}', line {line.number}"
    gold = (task.columns["label"],) if task.own else ()
    forms = [form for form in FORMS if form not in (*task.fields, *gold)]  # the data's columns are no answers
    cells = {form: _cell(line, form) for form in forms}
    answers = {form: value for form, value in cells.items() if not (is_empty(value) or value in ([], {}))}
    if not answers:
        return None
    if len(answers) > 1:
        raise DataError(
            f"{place}: {' and '.join(map(repr, answers))} contradict each other: give only one of them."
        )
    [(form, value)] = answers.items()
    if task.kind == "regression":
        if form != "answer":
            raise DataError(
                f"{place}: '{form}' is not for a regression like '{task.name}': give the score as 'answer'."
            )
        return (_number(value, form, place),)
    if form == "answer":
        return _smoothed(value, _smoothing(line, header, place), task, place)
    values = _by_class(value, form, header, task, place)
    return values if form == "logits" else _logarithms(_checked_sum(values, place))


def mean_answer(answers: Sequence[Logits], task: Task) -> Logits:
    """Return the mean of several answers to one row: of their probabilities, or of their scores."""
    if len(answers) == 1:
        return answers[0]
    scores = answers if task.kind == "regression" else [softmax(logits) for logits in answers]
    means = tuple(math.fsum(column) / len(answers) for column in zip(*scores, strict=True))
    return means if task.kind == "regression" else _logarithms(means)


def softmax(logits: Sequence[float]) -> Logits:
    """Return the probabilities of logits."""
    largest = max(logits)  # subtracted so that exp does not overflow
    weights = [math.exp(logit - largest) for logit in logits]
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights)


def _cell(line: TableLine, form: str) -> Any:
    """Return the cell of a column; the columns `logits.a` and `logits.b` of a table form one object."""
    if form in line.cells:
        return line.cells[form]
    prefix = f"{form}."
    parts = {name.removeprefix(prefix): cell for name, cell in line.cells.items() if name.startswith(prefix)}
    return None if all(map(is_empty, parts.values())) else parts


def _number(value: Any, name: str, place: str) -> float:
    """Return a number, which tables hold as text; raise DataError if it is not a number or not finite."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{place}: '{name}' holds {json.dumps(value)[:SHOWN]}, which is not a finite number.")
    return number


def _smoothing(line: TableLine, header: AnswersHeader, place: str) -> float:
    """Return the smoothing of a line's label: its own, or else the header's."""
    own = line.cells.get("smoothing")
    if is_empty(own):
        if header.smoothing is None:
            raise DataError(
                f"{place}: a label needs 'smoothing', the probability that is spread over all classes.",
                hint="Give it in each row or in the header; 0 for none.",
            )
        return header.smoothing
    smoothing = _number(own, "smoothing", place)
    if not 0 <= smoothing < 1:
        raise DataError(f"{place}: 'smoothing' is {smoothing:g}: it must be at least 0 and below 1.")
    return smoothing


def _smoothed(value: Any, smoothing: float, task: Task, place: str) -> Logits:
    text = label_text(value, place)
    assert text is not None  # empty cells hold no answer
    answer, share = label_id(task, text, place), smoothing / len(task.labels)
    return _logarithms(
        [share + (1 - smoothing) * (index == answer) for index in range(len(task.labels))],
    )


def _by_class(value: Any, form: str, header: AnswersHeader, task: Task, place: str) -> Logits:
    """Return the numbers of an object or a list in the order of the task's classes."""
    if isinstance(value, Mapping):
        named = list(value.items())
    elif not isinstance(value, list):
        raise DataError(
            f"{place}: '{form}' is {json.dumps(value)[:SHOWN]}: it must give a number for each class.",
            hint=f"In a table, give each class a column, such as '{form}.{task.labels[0]}'.",
        )
    elif not header.labels:
        raise DataError(
            f"{place}: '{form}' is a list, but the order of its classes is not known.",
            hint='Use an object with the names of the classes, or give their order as "labels" in the header.',
        )
    elif len(header.labels) != len(value):
        raise DataError(f"{place}: '{form}' has {len(value)} numbers for {len(header.labels)} labels.")
    else:
        named = list(zip(header.labels, value, strict=True))
    numbers: dict[int, float] = {}
    for label, number in named:
        index = label_id(task, label, place)
        if index in numbers:
            raise DataError(f"{place}: '{form}' has two numbers for '{task.labels[index]}'.")
        numbers[index] = _number(number, form, place)
    if missing := [label for index, label in enumerate(task.labels) if index not in numbers]:
        raise DataError(f"{place}: '{form}' has no number for '{missing[0]}'.")
    return tuple(numbers[index] for index in range(len(task.labels)))


def _checked_sum(probabilities: Logits, place: str) -> Logits:
    """Return probabilities scaled to sum to 1; raise DataError if one is negative or the sum is not about 1."""
    total = math.fsum(probabilities)
    if min(probabilities) < 0:
        raise DataError(f"{place}: the probability {min(probabilities):g} is negative.")
    if abs(total - 1) > TOLERANCE:
        raise DataError(f"{place}: the probabilities sum to {total:.4g}, not to 1.")
    return tuple(value / total for value in probabilities)


def _logarithms(probabilities: Sequence[float]) -> Logits:
    return tuple(math.log(max(value, SMALLEST)) for value in probabilities)
