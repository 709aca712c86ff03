"""Which records belong together: columns of comparable runs, rows of one method, one record per seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from matekd_bench.results.records.run_record import Record
from matekd_bench.tasks.task import Suite

RowKey: TypeAlias = tuple[str, str, str]  # variant, method version, resources such as a thesaurus
CellKey: TypeAlias = tuple[RowKey, str]  # row, column name
Setting: TypeAlias = tuple[str, ...]  # data as used for a task


@dataclass(frozen=True)
class RecordGrid:
    """The records of one protocol, in place: `columns` by column name in display order, `cells` by seed.

    `notes` name what was found that a reader of the table should know.
    """

    columns: dict[str, list[Record]]
    cells: dict[CellKey, dict[int, Record]]
    notes: tuple[str, ...]

    def cell(self, row: RowKey, column: str) -> dict[int, Record]:
        """The records of one cell by seed; empty where there are none."""
        return self.cells.get((row, column), {})

    def scored(self, row: RowKey, column: str) -> dict[int, Record]:
        """The records of one cell that have a score."""
        return self._scored.get((row, column), {})

    @cached_property
    def _scored(self) -> dict[CellKey, dict[int, Record]]:
        return {
            key: {seed: record for seed, record in runs.items() if record.task_score}
            for key, runs in self.cells.items()
        }

    @property
    def rows(self) -> list[RowKey]:
        """The keys of the rows, by name."""
        return sorted({row for row, _ in self.cells})


def task_order(suites: Sequence[Suite], tasks: Iterable[str]) -> list[str]:
    """`tasks` in the order of the suites; those in no suite come last, by name."""
    known = list(dict.fromkeys(task for suite in suites for task in suite.tasks))
    return sorted(set(tasks), key=lambda task: (known.index(task) if task in known else len(known), task))


def arrange(records: Sequence[Record], suites: Sequence[Suite]) -> RecordGrid:
    """The grid of one protocol's records: nothing in a column differs in data or teacher."""
    columns: dict[str, list[Record]] = {}
    notes: list[str] = []
    of_task: dict[str, list[Record]] = {}
    for record in records:
        of_task.setdefault(record.identity.task, []).append(record)
    for task in task_order(suites, of_task):
        settings = _settings(of_task[task])
        for number, members in enumerate(settings, start=1):
            columns[task if number == 1 else f"{task}#{number}"] = members
        if len(settings) > 1:
            notes.append(_why_several(task, settings))
    cells: dict[CellKey, dict[int, Record]] = {}
    for name, members in columns.items():
        for record in members:
            place = cells.setdefault((row_key(record), name), {})
            seed = record.identity.seed
            if seed in place:
                where = f"{record.identity.variant} on {name}, seed {seed}"
                notes.append(
                    f"{where}: several records (another version, precision or device); newest shown."
                )
            place[seed] = max(place.get(seed, record), record, key=_preference)
    return RecordGrid(columns, cells, tuple(dict.fromkeys(notes)))


def last_score(run: Record) -> float:
    """The headline score: at the last evaluation."""
    if run.task_score is None:
        raise ValueError(f"run {run.run_id} has no score")
    return run.task_score.last


def row_key(record: Record) -> RowKey:
    """The row that a record belongs to: a method in another version or with other resources is another method."""
    return record.identity.variant, record.identity.method_version, resources_of(record)


def resources_of(record: Record) -> str:
    """What the run's method used that comes with neither package nor data, e.g. ``thesaurus: WordNet 3.0``."""
    resources = sorted(record.perturber.resources.items()) if record.perturber else []
    return ", ".join(f"{kind}: {name}" for kind, name in resources)


def _preference(record: Record) -> tuple[bool, str, str]:
    return record.task_score is not None, record.provenance.created, record.run_id


def _data_of(record: Record) -> Setting:
    data = record.data
    splits = sorted(f"{name}={split.digest}" for name, split in data.splits.items())
    return (data.state, data.state_text, data.eval_on, str(data.max_length), *splits)


def _settings(records: Sequence[Record]) -> list[list[Record]]:
    """The records of one task parted by data and teacher, the largest part first.

    A run that failed before it had a teacher joins the largest part with its data.
    """
    parts: dict[tuple[Setting, str], list[Record]] = {}
    for record in records:
        if record.teacher is not None:
            parts.setdefault((_data_of(record), record.teacher.sha256), []).append(record)
    ordered = sorted(parts, key=lambda key: (-len(parts[key]), key))
    for record in records:
        if record.teacher is None:
            data = _data_of(record)
            home = next((key for key in ordered if key[0] == data), (data, ""))
            parts.setdefault(home, []).append(record)
    ordered += sorted(key for key in parts if key not in ordered)
    return [parts[key] for key in ordered]


def _why_several(task: str, settings: Sequence[Sequence[Record]]) -> str:
    teachers = {part[0].teacher.sha256[:8] for part in settings if part[0].teacher}
    data = {_data_of(part[0]) for part in settings}
    what = [f"{len(teachers)} teachers ({', '.join(sorted(teachers))})"] if len(teachers) > 1 else []
    what += [f"{len(data)} data sets"] if len(data) > 1 else []
    return f"{task}: {' and '.join(what)} under one protocol: separate columns, not compared, in no mean."
