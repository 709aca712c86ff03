"""The plan of a study: which part of its grid is meant, what of it is recorded, and what the rest will take."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace

from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.events import Events, Plan, PlannedRun
from matekd_bench.study.plan.estimate import teacher_flops, training_flops, work_items
from matekd_bench.study.plan.forecast import TEACHERS, forecast, schedule
from matekd_bench.study.plan.grid import Cell, Grid
from matekd_bench.study.plan.shards import Shard, divide, parse_shard, slurm_shard
from matekd_bench.study.plan.tuning import Tuner
from matekd_bench.study.spec.request import StudyRequest

MOST_START = 60.0  # seconds; what a process took that has done other work before says nothing


def chosen_shard(request: StudyRequest, events: Events) -> Shard | None:
    """The part of the grid that was asked for, by an option or by Slurm; None for all of it."""
    if request.shard is not None:
        return parse_shard(request.shard)
    shard = slurm_shard(os.environ)
    if shard is not None:
        events.note(f"shard {shard} of the grid, as SLURM_ARRAY_TASK_ID says; --shard 1/1 is all of it")
    return shard


def part_of(grid: Grid, shard: Shard) -> Grid:
    """The grid with the cells of one shard alone, in the same order.

    The division depends on the grid alone, never on what is recorded, so that machines agree without talking.
    """
    tasks = [cell.data.task.name for cell in grid.cells]
    first = {cell.data.task.name: cell for cell in reversed(grid.cells)}
    teachers = {task: teacher_flops(cell) for task, cell in first.items()}
    placed = divide(tasks, [training_flops(cell) for cell in grid.cells], teachers, shard.count)
    mine = (cell for cell, at in zip(grid.cells, placed, strict=True) if at == shard.index - 1)
    return replace(grid, cells=tuple(mine))


def make_plan(
    grid: Grid,
    store: ResultsStore,
    request: StudyRequest,
    done: Sequence[bool],
    *,
    tuner: Tuner | None = None,
    shard: Shard | None = None,
    jobs: int = 1,
) -> Plan:
    """The grid as it is shown to people, with what is already recorded: `done` says it of each cell.

    The time that is left is that of `jobs` runs at a time, with the start of their processes. Where the request names
    a number of devices, with what they would make of the rest.
    """
    todo = [cell for cell, recorded in zip(grid.cells, done, strict=True) if not recorded]
    trials = tuner.todo if tuner is not None else []
    work, bases = work_items([*trials, *todo], store.records())
    seconds = {one.name: one.seconds for one in work if one.method != TEACHERS}
    return Plan(
        runs=tuple(
            _planned(cell, recorded, None if recorded else seconds[cell.label])
            for cell, recorded in zip(grid.cells, done, strict=True)
        ),
        tasks=tuple(grid.data),
        methods=tuple(method.variant for method in grid.methods),
        seeds=tuple(range(grid.spec.first_seed, grid.spec.first_seed + grid.spec.seeds)),
        preset=grid.spec.preset,
        data_states={name: data.state_text for name, data in grid.data.items()},
        results=str(request.results),
        reference=grid.reference,
        seconds=schedule(work, jobs) + (_start() if min(jobs, len(todo)) > 1 else 0.0) if work else None,
        teachers={one.task: one.seconds for one in work if one.method == TEACHERS},
        trials=len(tuner.grid.cells) if tuner is not None else 0,
        trials_todo=len(trials),
        shard=None if shard is None else str(shard),
        forecast=forecast(work, request.devices, bases, _start()) if work and request.devices else None,
    )


def _start() -> float:
    """CPU seconds that a process like this one takes until it can train: this one has just done it."""
    return min(time.process_time(), MOST_START)


def _planned(cell: Cell, recorded: bool, seconds: float | None) -> PlannedRun:
    kind, limit = cell.job.budget
    return PlannedRun(
        run_id=cell.run_id,
        method=cell.job.variant,
        task=cell.data.task.name,
        seed=cell.job.seed,
        updates=limit if kind == "student_updates" else None,
        done=recorded,
        seconds=seconds,
    )
