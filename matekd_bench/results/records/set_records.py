"""Shows the scores on further sets as records of their own, so that they get the statistics of any task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matekd_bench.results.records.run_record import Data, Record, SelectionRule, TaskScore, TeacherRecord
from matekd_bench.results.records.set_scores import SetScores


class SetRecord(Record):
    """The record of a run as it would be if the run had been scored on a further set alone.

    Its task is the set's name. There is one score, after the last update: none is the best of several.
    """


def answers_name(record: Record) -> str:
    """Return the name of a record's answers: the id of its run, and the set if they are to a further one."""
    return f"{record.run_id} on {record.identity.task}" if isinstance(record, SetRecord) else record.run_id


def set_records(records: Sequence[Record]) -> list[SetRecord]:
    """Return a record for each run and each further set that it was scored on."""
    return [set_record for record in records for set_record in _records_of(record)]


def _records_of(record: Record) -> Iterator[SetRecord]:
    for scores in record.also:
        values = {name: getattr(record, name) for name in Record.model_fields} | _replaced(record, scores)
        yield SetRecord.model_construct(**values)  # its parts are validated already


def _replaced(record: Record, scores: SetScores) -> dict[str, object]:
    """Return the fields in which the record of a set differs from the run's."""
    single = TaskScore(last=scores.score, best_dev=scores.score, optimism=0.0, xfit=None)
    return {
        "identity": record.identity.model_copy(update={"task": scores.name}),
        "data": _data(record.data, scores),
        "teacher": _teacher(record.teacher, scores),
        "selection": SelectionRule(rule="last", evals=1, best_eval=None),
        "scores": scores.scores,
        "task_score": single,
        "curve": (),
        "also": (),
    }


def _data(data: Data, scores: SetScores) -> Data:
    return data.model_copy(
        update={
            "source": scores.source, "revision": scores.revision, "state": scores.state,
            "state_text": scores.state_text, "splits": scores.splits, "labels": scores.labels,
            "notices": scores.notices, "majority_score": scores.majority_score, "eval_on": "dev",
        }
    )  # fmt: skip


def _teacher(teacher: TeacherRecord | None, scores: SetScores) -> TeacherRecord | None:
    if teacher is None:
        return None
    return teacher.model_copy(update={"scores": scores.teacher_scores, "task_score": scores.teacher_score})
