"""Counts the runs that studies planned and that have no record, from the settings that are kept with the records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from matekd_bench.errors import UsageError
from matekd_bench.files.hashing import canonical
from matekd_bench.methods.grammar import MethodRef, parse, parse_reference
from matekd_bench.methods.typed_names import TypedName
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.recorded_variants import recorded_variants
from matekd_bench.tasks.task import Suite, Task, named_tasks

MOST_RUNS = 100_000  # of a study; settings that plan more are damaged
PlannedRun: TypeAlias = tuple[str, str, int]  # method as typed, task, seed


@dataclass(frozen=True)
class PlannedRuns:
    """The number of runs that the studies of one table planned, and of those without a record by method as typed."""

    count: int
    missing: Mapping[str, int]

    @property
    def recorded(self) -> int:
        """The number of planned runs that have a record."""
        return self.count - sum(self.missing.values())


def count_planned(
    planned: Collection[PlannedRun], runs: Sequence[Record], names: Mapping[str, TypedName]
) -> PlannedRuns | None:
    """Count the planned runs and those without a record in `runs`, the records of one table; None if none is planned.

    `names` are those of the variants.
    """
    if not planned:
        return None
    recorded = {(names[run.identity.variant].typed, run.identity.task, run.identity.seed) for run in runs}
    return PlannedRuns(len(planned), Counter(method for method, _, _ in sorted({*planned} - recorded)))


def planned_by_studies(
    runs: Sequence[Record],
    others: Sequence[Record],
    names: Mapping[str, TypedName],
    settings_of: Callable[[Record], Mapping[str, Any]],
    tasks: Mapping[str, Task],
    suites: Sequence[Suite],
) -> set[PlannedRun]:
    """Return what the studies of `runs`, the records of one table, planned for it; none if no settings can be read.

    `others` are the records of all other tables. `names` are those of the variants, and `settings_of` reads the
    settings of a run's study. `tasks` and `suites` are the installed ones.
    """
    planned: set[PlannedRun] = set()
    elsewhere = _by_settings(others, settings_of)
    for key, (study, members) in _by_settings(runs, settings_of).items():
        # The study's own records come first: a method may have had other defaults in another study.
        plan = _plan(study, [*members, *runs], names, tasks, suites)
        planned |= of_table(plan, members, elsewhere[key][1] if key in elsewhere else ())
    return planned


def of_table(
    planned: Iterable[PlannedRun], runs: Sequence[Record], others: Sequence[Record]
) -> set[PlannedRun]:
    """Return the planned runs of one study that belong to a table.

    `runs` are the records of the study in this table, `others` those in other tables. A task with records only in
    other tables belongs there. A task without records belongs to the table of the study's newest record.
    """
    here, there = ({run.identity.task for run in part} for part in (runs, others))
    has_newest = not others or max(map(_age, runs)) > max(map(_age, others))
    return {run for run in planned if run[1] in here or (has_newest and run[1] not in there)}


def _by_settings(
    runs: Iterable[Record], settings_of: Callable[[Record], Mapping[str, Any]]
) -> dict[str, tuple[Mapping[str, Any], list[Record]]]:
    """Group runs by the settings of their studies; return the settings and the runs of each group."""
    by_command: dict[object, list[Record]] = {}
    for run in runs:
        origin = run.provenance.command, run.provenance.seed_plan, run.identity.protocol_id
        by_command.setdefault(origin, []).append(run)
    groups: dict[str, tuple[Mapping[str, Any], list[Record]]] = {}
    for members in by_command.values():
        # The settings of a command may have changed in between, with its config file: the newest count.
        study = settings_of(max(members, key=_age))
        groups.setdefault(canonical(study), (study, []))[1].extend(members)
    return groups


def _age(run: Record) -> tuple[str, str]:
    """Return a key that sorts runs from the oldest to the newest."""
    return run.provenance.created, run.run_id


def _plan(
    study: Mapping[str, Any],
    recorded: Iterable[Record],
    names: Mapping[str, TypedName],
    tasks: Mapping[str, Task],
    suites: Sequence[Suite],
) -> set[PlannedRun]:
    """Return the runs that a study planned; none if its settings cannot be understood.

    `recorded` are the records among which its methods are looked up, and `names` those of the variants.
    """
    try:
        sets = study["sets"]
        set_by_user = {key: sets[key] for key in study["set_by_user"]}
        refs = {
            _with_params(ref, sets): str(_with_params(ref, set_by_user))
            for ref in (*parse_reference(study["reference"]), *parse(study["methods"]))
        }
        planned_tasks = named_tasks(study["tasks"], tasks, suites, stand_ins=study["stand_ins"])
        seeds = range(study["first_seed"], study["first_seed"] + study["seeds"])
    except (KeyError, TypeError, AttributeError, UsageError):
        return set()
    if len(refs) * len(planned_tasks) * (seeds.stop - seeds.start) > MOST_RUNS:
        return set()
    variants = recorded_variants(refs, recorded)
    methods = {names[variants[ref]].typed if ref in variants else text for ref, text in refs.items()}
    return {(method, task, seed) for method in methods for task in planned_tasks for seed in seeds}


def _with_params(ref: MethodRef, sets: Mapping[str, str]) -> MethodRef:
    """Add the parameters that are set for all variants of a method, and not for this one; also to a wrapped method."""
    params = {
        key.rpartition(".")[2]: value for key, value in sets.items() if key.rpartition(".")[0] == ref.name
    }
    inner = _with_params(ref.inner, sets) if ref.inner else None
    return replace(ref, params=tuple(sorted((params | dict(ref.params)).items())), inner=inner)
