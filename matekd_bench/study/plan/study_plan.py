"""The plan of a study: its part of the grid, which runs have a record, and an estimate for the others."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace

from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.events import Events, Plan, PlannedRun
from matekd_bench.study.plan.estimate import teacher_flops, training_flops, work_items
from matekd_bench.study.plan.forecast import TEACHERS, forecast, makespan
from matekd_bench.study.plan.grid import Cell, Grid
from matekd_bench.study.plan.shards import Shard, assign_shards, parse_shard, slurm_shard
from matekd_bench.study.plan.tuning import Tuner
from matekd_bench.study.spec.request import StudyRequest

MAX_START_SECONDS = 60.0  # a process that used more has done other work than starting


def chosen_shard(request: StudyRequest, events: Events) -> Shard | None:
    """Return the part of the grid to train, from --shard or from Slurm; None is the whole grid."""
    if request.shard is not None:
        return parse_shard(request.shard)
    shard = slurm_shard(os.environ)
    if shard is not None:
        events.note(f"shard {shard} of the grid, as SLURM_ARRAY_TASK_ID says; --shard 1/1 is all of it")
    return shard


def restrict_to_shard(grid: Grid, shard: Shard) -> Grid:
    """Return the grid with only the cells of one shard, in the same order.

    The division depends on the grid alone and never on records, so that all machines find the same one.
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
    request: StudyRequest,
    recorded: Sequence[bool],
    *,
    tuner: Tuner | None = None,
    shard: Shard | None = None,
    jobs: int = 1,
) -> Plan:
    """Make the plan that is shown to the user; `recorded` tells for each cell if it has a record.

    The time left is estimated for `jobs` runs at a time and includes the start of their processes. If the request
    names a number of devices, the plan has a forecast for them.
    """
    todo = [cell for cell, has_record in zip(grid.cells, recorded, strict=True) if not has_record]
    trials = tuner.todo if tuner is not None else []
    work, bases = work_items([*trials, *todo], store.records())
    seconds = {item.name: item.seconds for item in work if item.method != TEACHERS}
    return Plan(
        runs=tuple(
            _planned_run(cell, has_record, None if has_record else seconds[cell.label])
            for cell, has_record in zip(grid.cells, recorded, strict=True)
        ),
        tasks=tuple(grid.data),
        methods=tuple(method.variant for method in grid.methods),
        seeds=tuple(range(grid.spec.first_seed, grid.spec.first_seed + grid.spec.seeds)),
        preset=grid.spec.preset,
        data_states={name: data.state_text for name, data in grid.data.items()},
        results=str(request.results),
        reference=grid.reference,
        seconds=makespan(work, jobs) + (_start_seconds() if min(jobs, len(todo)) > 1 else 0.0)
        if work
        else None,
        teachers={item.task: item.seconds for item in work if item.method == TEACHERS},
        trials=len(tuner.grid.cells) if tuner is not None else 0,
        trials_todo=len(trials),
        shard=None if shard is None else str(shard),
        forecast=forecast(work, request.devices, bases, _start_seconds())
        if work and request.devices
        else None,
    )


def _start_seconds() -> float:
    """Estimate the time that a new process needs before it can train: the CPU time that this one has used."""
    return min(time.process_time(), MAX_START_SECONDS)


def _planned_run(cell: Cell, has_record: bool, seconds: float | None) -> PlannedRun:
    kind, limit = cell.job.budget
    return PlannedRun(
        run_id=cell.run_id,
        method=cell.job.variant,
        task=cell.data.task.name,
        seed=cell.job.seed,
        updates=limit if kind == "student_updates" else None,
        done=has_record,
        seconds=seconds,
    )
