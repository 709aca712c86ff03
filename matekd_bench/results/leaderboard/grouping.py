"""Groups records: columns of comparable runs, rows of one method, one record per seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from matekd_bench.results.records.code_record import foreign_code
from matekd_bench.results.records.run_record import Record
from matekd_bench.tasks.library_metric import library_metrics
from matekd_bench.tasks.task import Suite

RowKey: TypeAlias = tuple[
    str, str, str, str
]  # variant, method version, resources such as a thesaurus, foreign code
CellKey: TypeAlias = tuple[RowKey, str]  # row, column name
DataKey: TypeAlias = tuple[str, ...]  # data state, evaluation split, length and split digests


@dataclass(frozen=True)
class RecordGrid:
    """The records of one protocol, arranged in rows and columns.

    `columns` maps column names, in display order, to records. `cells` maps a row and a column to records by seed.
    `notes` are sentences for the reader of the table, e.g. about several records of one seed.
    """

    columns: dict[str, list[Record]]
    cells: dict[CellKey, dict[int, Record]]
    notes: tuple[str, ...]

    def cell(self, row: RowKey, column: str) -> dict[int, Record]:
        """Return the records of one cell by seed; empty if there are none."""
        return self.cells.get((row, column), {})

    def scored(self, row: RowKey, column: str) -> dict[int, Record]:
        """Return the records of one cell that have a score, by seed."""
        return self._scored.get((row, column), {})

    @cached_property
    def _scored(self) -> dict[CellKey, dict[int, Record]]:
        return {
            key: {seed: record for seed, record in runs.items() if record.task_score}
            for key, runs in self.cells.items()
        }

    @property
    def rows(self) -> list[RowKey]:
        """The keys of the rows, sorted."""
        return sorted({row for row, _ in self.cells})


def task_order(suites: Sequence[Suite], tasks: Iterable[str]) -> list[str]:
    """Sort `tasks` in the order of the suites; tasks in no suite come last, by name."""
    known = list(dict.fromkeys(task for suite in suites for task in suite.tasks))
    return sorted(set(tasks), key=lambda task: (known.index(task) if task in known else len(known), task))


def group_records(records: Sequence[Record], suites: Sequence[Suite]) -> RecordGrid:
    """Arrange the records of one protocol in a grid whose columns each have one data set and one teacher."""
    columns: dict[str, list[Record]] = {}
    notes: list[str] = []
    by_task: dict[str, list[Record]] = {}
    for record in records:
        by_task.setdefault(record.identity.task, []).append(record)
    for task in task_order(suites, by_task):
        parts = _split_by_data_and_teacher(by_task[task])
        for number, part in enumerate(parts, start=1):
            columns[task if number == 1 else f"{task}#{number}"] = part
        if len(parts) > 1:
            notes.append(_several_columns_note(task, parts))
    cells: dict[CellKey, dict[int, Record]] = {}
    for name, column in columns.items():
        for record in column:
            cell = cells.setdefault((row_key(record), name), {})
            seed = record.identity.seed
            if seed in cell:
                where = f"{record.identity.variant} on {name}, seed {seed}"
                notes.append(
                    f"{where}: several records (of different versions, precisions or devices); the newest is shown."
                )
            cell[seed] = max(cell.get(seed, record), record, key=_preference)
    return RecordGrid(columns, cells, tuple(dict.fromkeys(notes)))


def last_score(run: Record) -> float:
    """Return the score at the last evaluation, the headline score; ValueError if the run has no score."""
    if run.task_score is None:
        raise ValueError(f"run {run.run_id} has no score")
    return run.task_score.last


def row_key(record: Record) -> RowKey:
    """Return the key of the record's row; another version, other resources or other foreign code makes another row."""
    identity = record.identity
    return identity.variant, identity.method_version, resources_of(record), foreign_code(record.code)


def resources_of(record: Record) -> str:
    """Name the external resources that the run's method used, e.g. ``thesaurus: WordNet 3.0``; "" if none."""
    resources = sorted(record.perturber.resources.items()) if record.perturber else []
    return ", ".join(f"{kind}: {name}" for kind, name in resources)


def _preference(record: Record) -> tuple[bool, str, str]:
    """Sort key of records of one seed: a score first, then the newest; the run id decides ties."""
    return record.task_score is not None, record.provenance.created, record.run_id


def _data_key(record: Record) -> DataKey:
    data = record.data
    splits = sorted(f"{name}={split.digest}" for name, split in data.splits.items())
    # Official data are the same with and without a known digest, which later versions may add.
    text = "" if data.state == "official" else data.state_text
    return (data.state, text, data.eval_on, str(data.max_length), *splits)


def _split_by_data_and_teacher(records: Sequence[Record]) -> list[list[Record]]:
    """Split the records of one task by data and teacher, the largest part first.

    A run that failed before it had a teacher joins the largest part with its data.
    """
    parts: dict[tuple[DataKey, str], list[Record]] = {}
    for record in records:
        if record.teacher is not None:
            teacher = " ".join((record.teacher.sha256, *_library_metrics(record)))
            parts.setdefault((_data_key(record), teacher), []).append(record)
    ordered = sorted(parts, key=lambda key: (-len(parts[key]), key))
    for record in records:
        if record.teacher is None:
            data = _data_key(record)
            part = next((key for key in ordered if key[0] == data), (data, ""))
            parts.setdefault(part, []).append(record)
    ordered += sorted(key for key in parts if key not in ordered)
    return [parts[key] for key in ordered]


def _library_metrics(record: Record) -> list[str]:
    """Return the metrics that the library evaluate loads, with their versions, that teacher and student have."""
    scores = record.teacher.scores if record.teacher else ()
    return library_metrics(sorted({item.metric for item in scores}))


def _several_columns_note(task: str, parts: Sequence[Sequence[Record]]) -> str:
    """Explain why a task has several columns."""
    teachers = {part[0].teacher.sha256[:8] for part in parts if part[0].teacher}
    data = {_data_key(part[0]) for part in parts}
    reasons = [f"{len(teachers)} teachers ({', '.join(sorted(teachers))})"] if len(teachers) > 1 else []
    reasons += [f"{len(data)} data sets"] if len(data) > 1 else []
    metrics = {tuple(_library_metrics(part[0])) for part in parts}
    reasons += [f"{len(metrics)} versions of its metrics"] if len(metrics) > 1 else []
    return (
        f"{task}: {' and '.join(reasons)} under one protocol: each has its own column, which is not compared and is in "
        f"no mean."
    )
