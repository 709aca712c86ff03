"""The plan of a study: its part of the grid, which runs have a record, and an estimate for the others."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from matekd_bench.events import Message, PlannedRun, Sink, StudyStarted
from matekd_bench.methods.typed_names import set_by_presets
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.plan.estimate import PlannedPreparation, PlannedWork, plan_work
from matekd_bench.study.plan.expected_flops import teacher_flops, training_flops
from matekd_bench.study.plan.grid import Cell, Grid
from matekd_bench.study.plan.machine_speed import why_busy
from matekd_bench.study.plan.shards import Shard, assign_shards, parse_shard, slurm_shard
from matekd_bench.study.plan.tuning import Tuner
from matekd_bench.study.plan.work_items import Shared, least_seconds

MAX_START_SECONDS = 60.0  # a process that used more CPU time has done other work than starting


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan of a study: its start event, and everything else that a dry run shows.

    The seconds of the event include the trials.

    `data_states` describes the data by task, and `from_preset` lists the methods' parameters that the preset set.
    `trials` counts the tuning trials of the runs to do, and `trials_todo`
    those without a record. `shard` is the part of the grid that the runs form, e.g. "2/8". `device_seconds` estimates
    all remaining work on one device, including teachers and trials. `longest_run` is the run that takes longest, and
    `longest_run_seconds` its time. `bases` counts runs by the basis of their estimate. `preparations` are the teachers
    and generators that the runs share. `busy` says what shows that other work slows this machine down; None if nothing
    does.
    """

    study: StudyStarted
    data_states: Mapping[str, str] = field(default_factory=dict)
    from_preset: tuple[str, ...] = ()
    trials: int = 0
    trials_todo: int = 0
    shard: str | None = None
    device_seconds: float | None = None
    longest_run: str | None = None
    longest_run_seconds: float | None = None
    bases: Mapping[str, int] = field(default_factory=dict)
    preparations: tuple[PlannedPreparation, ...] = ()
    busy: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the plan as JSON data, with the fields of the study at the top level."""
        values = asdict(self)
        study = values.pop("study")
        del study["run_id"]
        return {**study, "results": str(self.study.results), **values}


def chosen_shard(text: str | None, sink: Sink) -> Shard | None:
    """Return the part of the grid to train, from --shard or from Slurm; None is the whole grid."""
    if text is not None:
        return parse_shard(text)
    shard = slurm_shard(os.environ)
    if shard is not None:
        note = (
            f"training shard {shard} of the grid because of SLURM_ARRAY_TASK_ID; --shard 1/1 trains all of it"
        )
        sink.emit(Message(kind="note", text=note))
    return shard


def restrict_to_shard(grid: Grid, shard: Shard) -> Grid:
    """Return the grid with only the cells of one shard, in the same order.

    The division depends on the grid alone and never on records, so that all machines compute the same one.
    """
    tasks = [cell.data.task.name for cell in grid.cells]
    first_cells = {cell.data.task.name: cell for cell in reversed(grid.cells)}
    teachers = {task: teacher_flops(cell) for task, cell in first_cells.items()}
    costs = [training_flops(cell) for cell in grid.cells]
    shards = assign_shards(tasks, costs, teachers, shard.count)
    cells = (cell for cell, index in zip(grid.cells, shards, strict=True) if index == shard.index - 1)
    return replace(grid, cells=tuple(cells))


def make_plan(
    grid: Grid,
    store: ResultsStore,
    results: Path,
    recorded: Sequence[bool],
    *,
    tuner: Tuner | None = None,
    shard: Shard | None = None,
    jobs: int = 1,
) -> Plan:
    """Make the plan that is shown to the user; `recorded` says for each cell whether it has a record.

    The remaining time is estimated for `jobs` runs at a time, and includes the start of their processes.
    """
    todo = [cell for cell, has_record in zip(grid.cells, recorded, strict=True) if not has_record]
    trials = tuner.todo if tuner is not None else []
    records = store.records()
    work = plan_work([*trials, *todo], records)
    runs = [item for item in work.items if not item.prepares]
    seconds = {item.id: item.seconds for item in runs}
    longest = max(runs, key=lambda item: item.seconds, default=None)
    labels = {cell.run_id: cell.label for cell in (*trials, *todo)}
    study = StudyStarted(
        results=results,
        preset=grid.spec.preset,
        methods=tuple(method.variant for method in grid.methods),
        tasks=tuple(grid.data),
        seeds=tuple(range(grid.spec.first_seed, grid.spec.first_seed + grid.spec.seeds)),
        reference=grid.reference,
        runs=tuple(
            _planned_run(cell, has_record, seconds.get(cell.run_id))
            for cell, has_record in zip(grid.cells, recorded, strict=True)
        ),
        seconds=least_seconds(work.items, jobs) + (_start_seconds() if min(jobs, len(todo)) > 1 else 0.0)
        if work.items
        else None,
        teachers=_seconds_to_make("teacher", work),
        generators=_seconds_to_make("generator", work),
    )
    return Plan(
        study=study,
        data_states={name: data.state_text for name, data in grid.data.items()},
        from_preset=set_by_presets(method.typed for method in grid.methods),
        trials=len(tuner.grid.cells) if tuner is not None else 0,
        trials_todo=len(trials),
        shard=None if shard is None else str(shard),
        device_seconds=sum(item.seconds for item in work.items) if work.items else None,
        longest_run=labels[longest.id] if longest else None,
        longest_run_seconds=longest.seconds if longest else None,
        bases=dict(work.bases),
        preparations=tuple(work.preparations),
        busy=why_busy(grid.device, todo[0].recipe.precision) if todo else None,
    )


def started_after_trials(plan: Plan, todo: Sequence[Cell], store: ResultsStore, jobs: int) -> StudyStarted:
    """Return the start event of a tuned study, whose seconds no longer include the trials; `todo` are its runs."""
    work = plan_work(todo, store.records())
    return replace(plan.study, seconds=least_seconds(work.items, jobs) if work.items else None)


def _seconds_to_make(kind: Shared, work: PlannedWork) -> dict[str, float]:
    """Estimate the seconds of each preparation of a kind that the runs wait for, by name."""
    return {
        one.name: one.seconds
        for one in work.preparations
        if one.kind == kind and not (one.cached or one.tuning)
    }


def _start_seconds() -> float:
    """Estimate the time that a new process needs before it can train: the CPU time that this one has used."""
    return min(time.process_time(), MAX_START_SECONDS)


def _planned_run(cell: Cell, has_record: bool, seconds: float | None) -> PlannedRun:
    kind, limit = cell.job.budget
    return PlannedRun(
        run_id=cell.run_id,
        method=cell.job.variant,
        name=cell.name,
        task=cell.data.task.name,
        seed=cell.job.seed,
        updates=limit if kind == "student_updates" else None,
        done=has_record,
        seconds=None if has_record else seconds,
    )
