"""Files of teacher answers: the answers of a language model, an ensemble or people to the rows of a task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import ClassVar, TypeAlias

from matekd_bench.errors import DataError
from matekd_bench.files.user_tables import TableLine, check_column, is_empty, read_lines
from matekd_bench.tasks.answer_lines import FORMS, AnswersHeader, Logits, answer_of, mean_answer
from matekd_bench.tasks.row_files import (
    file_and_digest,
    file_name,
    named_ids,
    read_header,
    shown,
    total_cost,
)
from matekd_bench.tasks.task import Examples, TaskData

WRITE = "'matekd-bench tasks rows TASK --out FILE' writes the rows to answer."
Texts: TypeAlias = tuple[str, ...]
AnswerLine: TypeAlias = tuple[TableLine, AnswersHeader]  # a line with the header above it


@dataclass(frozen=True, eq=False)
class TeacherAnswers:
    """A file of teacher answers, which replaces a teacher's checkpoint.

    `sha256` is the digest of the file's content. `cost` is the cost of the answers, by unit.
    """

    file: Path
    sha256: str
    cost: Mapping[str, float]
    lines: Sequence[AnswerLine] = field(repr=False)

    revision: ClassVar[None] = None  # a file has none; a checkpoint may have one

    @property
    def id(self) -> str:
        """The name in records and tables."""
        return file_name(self.file, self.sha256)

    def of(self, data: TaskData) -> TaskAnswers:
        """Return the answers to the rows of a task."""
        return TaskAnswers(self, data)


class TaskAnswers:
    """The answers of a file to the rows of one task, as logits in the order of its classes, or as scores.

    A row is found by its id, or else by its texts under the names of the task's text fields. Several lines for a row
    are several answers, which are averaged. Raises DataError, naming file and line, for an invalid answer to a row.
    """

    def __init__(self, answers: TeacherAnswers, data: TaskData) -> None:
        self.file, self.data, self.task = answers.file, data, data.task
        self._lines = [line for line, _ in answers.lines]
        self._unknown_ids: list[str] = []  # of the lines that have neither a row's id nor texts
        self._used: set[int] = set()  # numbers of the lines that answer a row
        self._by_id: defaultdict[str, list[AnswerLine]] = defaultdict(list)
        self._by_texts: defaultdict[Texts, list[AnswerLine]] = defaultdict(list)
        uids = {uid for rows in (data.train, *data.dev) if rows is not None for uid in rows.uids}
        for line in answers.lines:
            self._add(line, uids)

    def _add(self, answer_line: AnswerLine, uids: Collection[str]) -> None:
        """Store a line under the id of a row or, if it has none, under its texts; lines of other tasks have neither.

        The user's data may have their own ids.
        """
        line, _ = answer_line
        uid, texts = line.cells.get("id"), self._texts_of(line)
        if isinstance(uid, str) and uid in uids:
            self._by_id[uid].append(answer_line)
        elif texts is not None:
            self._by_texts[texts].append(answer_line)
        elif not is_empty(uid):
            self._unknown_ids.append(str(uid))

    def _texts_of(self, line: TableLine) -> Texts | None:
        """Return the texts of a line; None unless it has all of the task's fields."""
        cells = [line.cells.get(name) for name in self.task.fields]
        texts = tuple(cell for cell in cells if isinstance(cell, str))
        return texts if len(texts) == len(cells) else None

    @cached_property
    def train(self) -> list[Logits]:
        """The answers to the training rows. Raises DataError unless every row has one."""
        rows = self.data.train
        assert rows is not None  # a study does not train on other tasks
        answers = self._answers(rows)
        known = [answer for answer in answers if answer is not None]
        if len(known) < len(answers):
            raise self._missing(rows, answers)
        return known

    def _missing(self, rows: Examples, answers: Sequence[Logits | None]) -> DataError:
        """Return the error for training rows without an answer."""
        missing, task = answers.count(None), self.task
        if missing == len(answers):
            fields = " and ".join(f"'{name}'" for name in task.fields)
            return DataError(
                f"'{self.file}' answers none of the {missing} training rows of {task.name}{self._why_none()}.",
                hint=f"Each line needs a row's 'id' or its {fields}, and the answer as one of {', '.join(FORMS)}. "
                f"{WRITE}",
            )
        first = answers.index(None)
        texts = " and ".join(map(shown, rows.texts[first]))
        return DataError(
            f"'{self.file}' lacks answers to {missing} of the {len(answers)} training rows of {task.name}, such as row "
            f"'{rows.uids[first]}', {texts}{self._unknown}.",
            hint=f"Add them, or train on data without these rows. {WRITE}",
        )

    def _why_none(self) -> str:
        """Return why no row has an answer, as the end of a sentence: a missing column, unknown ids, or ""."""
        names = {name for line in self._lines for name in line.cells}
        has_texts = bool(names & set(self.task.fields))
        identifying = (
            [name for name in self.task.fields if name not in names] if has_texts else self.task.fields
        )
        try:
            if "id" not in names and identifying:
                check_column(self.file, self._lines, "id", *identifying)
            if not {name.partition(".")[0] for name in names} & set(FORMS):
                check_column(self.file, self._lines, *FORMS)
        except DataError as error:
            return f": {error.message.rstrip('.')}"
        return self._unknown

    @property
    def _unknown(self) -> str:
        """The first ids that match no row, after a semicolon; "" if there are none."""
        return (
            f"; ids that match no row of this task: {named_ids(self._unknown_ids)}"
            if self._unknown_ids
            else ""
        )

    @cached_property
    def dev(self) -> list[list[Logits]]:
        """The answers to each dev split; empty unless every row of all of them has one."""
        complete = [[answer for answer in answers if answer is not None] for answers in self._dev]
        whole = all(len(part) == len(rows) for part, rows in zip(complete, self.data.dev, strict=True))
        return complete if whole else []

    @cached_property
    def _dev(self) -> list[list[Logits | None]]:
        return [self._answers(rows) for rows in self.data.dev]

    def to_texts(self, texts: Texts) -> Logits | None:
        """Return the answer to the texts of a perturbed row, which may equal a training row's; None if it has none."""
        own = self._by_texts.get(texts)
        return self._mean(own or ()) or self._clean.get(texts)

    @cached_property
    def _clean(self) -> dict[Texts, Logits]:
        """The answers to the training rows by their texts."""
        assert self.data.train is not None
        answers: defaultdict[Texts, list[Logits]] = defaultdict(list)
        for texts, answer in zip(self.data.train.texts, self.train, strict=True):
            answers[texts].append(answer)
        return {texts: mean_answer(several, self.task) for texts, several in answers.items()}

    def check_texts(self, versions: Iterable[Texts]) -> int:
        """Return the number of distinct perturbed rows, given by their texts; raise DataError if one has no answer."""
        distinct = dict.fromkeys(versions)
        lacking = [texts for texts in distinct if self.to_texts(texts) is None]
        if lacking:
            raise DataError(
                f"'{self.file}' lacks answers to {len(lacking)} of the {len(distinct)} perturbed rows, such as "
                f"{' and '.join(map(shown, lacking[0]))}.",
                hint="Add them under the names of the task's texts, or leave out the method.",
            )
        return len(distinct)

    @property
    def summary(self) -> str:
        """How much of the data the file answers, in a sentence."""
        answered = f"{len(self.train)} training rows are answered in '{self.file}'{self._agreement()}"
        counts = [
            (len(rows) - answers.count(None), len(rows))
            for rows, answers in zip(self.data.dev, self._dev, strict=True)
        ]
        found, total = (sum(column) for column in zip(*counts, strict=True))
        dev = f"; {found} of {total} dev rows"
        row = "" if self.dev else ", so the table has no score of the teacher"
        others = len(self._lines) - len(self._used)
        rest = f"; {others} of its {len(self._lines)} lines are for other texts" if others else ""
        return f"{answered}{dev}{row}{rest}{'' if self.dev else self._unknown}"

    def _agreement(self) -> str:
        """Describe how many of the training labels the answers give; "" for a regression."""
        rows = self.data.train
        if not self.task.labels or rows is None or not rows.gold:
            return ""
        pairs = [
            (label, answer)
            for label, answer in zip(rows.labels or (), self.train, strict=True)
            if label is not None
        ]
        right = sum(answer.index(max(answer)) == label for label, answer in pairs)
        return f" ({100 * right / len(pairs):.1f} % as labeled)"

    def _answers(self, rows: Examples) -> list[Logits | None]:
        return [self._answer(uid, texts) for uid, texts in zip(rows.uids, rows.texts, strict=True)]

    def _answer(self, uid: str, texts: Texts) -> Logits | None:
        """Return the answer to a row; the lines with its id come before those with its texts."""
        named = self._by_id.get(uid, ())
        for line, _ in named:
            if self._texts_of(line) not in (None, texts):
                raise DataError(
                    f"'{self.file}', line {line.number}: row '{uid}' has different texts in the data."
                )
        return self._mean(named) or self._mean(self._by_texts.get(texts, ()))

    def _mean(self, lines: Sequence[AnswerLine]) -> Logits | None:
        """Return the mean answer of lines for one row; None if none of them holds one."""
        answers = list(self._parsed(lines))
        return mean_answer(answers, self.task) if answers else None

    def _parsed(self, lines: Sequence[AnswerLine]) -> Iterator[Logits]:
        for line, header in lines:
            self._used.add(line.number)
            if (answer := answer_of(line, header, self.task, self.file)) is not None:
                yield answer


def read_teacher_answers(path: Path) -> TeacherAnswers:
    """Read a file of teacher answers; a file that has not changed is read only once.

    A header applies to the lines after it, up to the next one; the costs of several headers add up. Raises DataError,
    naming file and line, for a file that cannot be read. The answers themselves are parsed when a task is known.
    """
    try:
        return _read(*file_and_digest(path))
    except DataError as error:
        raise DataError(error.message, hint=error.hint or "Check --teacher-answers.") from error


@lru_cache(maxsize=4)
def _read(file: Path, digest: str) -> TeacherAnswers:
    header, headers, lines = AnswersHeader(), [], []
    for line in read_lines(file):
        if (own := read_header(line, file, AnswersHeader)) is None:
            lines.append((line, header))
        else:
            header = own
            headers.append(own)
    return TeacherAnswers(file, digest, total_cost(headers), lines)
