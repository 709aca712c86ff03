"""Counts the runs that studies planned and that have no record, from the settings that are kept with the records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from matekd_bench.errors import UsageError
from matekd_bench.files.hashing import canonical
from matekd_bench.methods.grammar import MethodRef, factor_text, parse
from matekd_bench.methods.typed_names import TypedName
from matekd_bench.results.records.run_record import Record
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
    planned: Collection[PlannedRun],
    runs: Sequence[Record],
    names: Mapping[str, TypedName],
    all_tasks: Collection[str] = (),
) -> PlannedRuns | None:
    """Count the planned runs and those without a record in `runs`, the records of one table; None if none is planned.

    `names` are those of the variants. `all_tasks` are the tasks of all tables: a task of another table is not missing.
    """
    elsewhere = set(all_tasks) - {run.identity.task for run in runs}
    planned = {run for run in planned if run[1] not in elsewhere}
    recorded = {(names[run.identity.variant].typed, run.identity.task, run.identity.seed) for run in runs}
    if not planned:
        return None
    return PlannedRuns(len(planned), Counter(method for method, _, _ in sorted(planned - recorded)))


def planned_by_studies(
    runs: Sequence[Record],
    names: Mapping[str, TypedName],
    settings_of: Callable[[Record], Mapping[str, Any]],
    tasks: Mapping[str, Task],
    suites: Sequence[Suite],
) -> set[PlannedRun]:
    """Return what the studies of `runs` planned; none if no settings can be read.

    `names` are those of the variants, and `settings_of` reads the settings of a run's study. `tasks` and `suites` are
    the installed ones.
    """
    by_command: dict[object, list[Record]] = {}
    for run in runs:
        by_command.setdefault((run.provenance.command, run.provenance.seed_plan), []).append(run)
    variants: dict[str, dict[str, TypedName]] = {}  # by settings
    studies: dict[str, Mapping[str, Any]] = {}
    for members in by_command.values():
        # The settings of a command may have changed in between, with its config file: the newest count.
        newest = max(members, key=lambda run: (run.provenance.created, run.run_id))
        study = settings_of(newest)
        key = canonical(study)
        studies[key] = study
        variants.setdefault(key, {}).update(
            (run.identity.variant, names[run.identity.variant]) for run in members
        )
    planned: set[PlannedRun] = set()
    for key, study in studies.items():
        planned |= _plan(study, list(variants[key].values()), names.values(), tasks, suites)
    return planned


def _plan(
    study: Mapping[str, Any],
    recorded: Sequence[TypedName],
    names: Iterable[TypedName],
    tasks: Mapping[str, Task],
    suites: Sequence[Suite],
) -> set[PlannedRun]:
    """Return the runs that a study planned; none if its settings cannot be understood.

    `recorded` are the names of the study's own records, `names` those of all records of the table.
    """
    try:
        reference = () if study["reference"] == "none" else parse(study["reference"])
        set_by_user = {key: study["sets"][key] for key in study["set_by_user"]}
        refs = [_with_params(ref, set_by_user) for ref in (*reference, *parse(study["methods"]))]
        planned_tasks = named_tasks(study["tasks"], tasks, suites, stand_ins=study["stand_ins"])
        seeds = range(study["first_seed"], study["first_seed"] + study["seeds"])
    except (KeyError, TypeError, AttributeError, UsageError):
        return set()
    if len(refs) * len(planned_tasks) * (seeds.stop - seeds.start) > MOST_RUNS:
        return set()
    methods = _typed(dict.fromkeys(refs), recorded, names)
    return {(method, task, seed) for method in methods for task in planned_tasks for seed in seeds}


def _with_params(ref: MethodRef, set_by_user: Mapping[str, str]) -> MethodRef:
    """Add the parameters that the user set for all variants of a method, and not for this one."""
    params = {
        key.rpartition(".")[2]: value for key, value in set_by_user.items() if key.startswith(f"{ref.name}.")
    }
    return replace(ref, params=tuple(sorted((params | dict(ref.params)).items())))


def _typed(refs: Iterable[MethodRef], recorded: Sequence[TypedName], names: Iterable[TypedName]) -> list[str]:
    """Return the planned methods as tables name them; one without any record as the settings write it.

    Settings may list a parameter at its default, which the name of a record's variant leaves out. So a method that has
    no name of its own is taken for the next one of its study with the same method and budget factor.
    """
    known = {spelling: name.typed for name in names for spelling in (name.typed, name.variant)}
    typed = {ref: known.get(str(ref)) for ref in refs}
    left = [name for name in recorded if name.typed not in typed.values()]
    for ref in [ref for ref, name in typed.items() if name is None]:
        wanted = ref.name, factor_text(ref.factor)
        same = next((name for name in left if (name.method, _factor(name.variant)) == wanted), None)
        typed[ref] = str(ref) if same is None else same.typed
        left = [name for name in left if name is not same]
    return [str(name) for name in typed.values()]


def _factor(variant: str) -> str:
    """Return the budget factor of a variant: "@2x" of "kd@2x", "" without one."""
    _, sign, factor = variant.rpartition("]")[2].partition("@")
    return sign + factor
