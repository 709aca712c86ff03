"""Runs a study on this machine: plans the grid, checks what can be known, and has the rest trained."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from matekd_bench.distill.device import resolve_device
from matekd_bench.errors import UsageError, unknown
from matekd_bench.results.store import ResultsStore
from matekd_bench.results.underway import tidy
from matekd_bench.study.cluster import RayExecutor
from matekd_bench.study.estimate import teacher_flops, training_flops, work_of
from matekd_bench.study.events import Events, Plan, PlannedRun, Summary
from matekd_bench.study.executor import LocalExecutor, Tally
from matekd_bench.study.grid import Cell, Grid, make_grid
from matekd_bench.study.interrupts import Interruptions
from matekd_bench.study.jobs import places, resolve_jobs, share_of_threads
from matekd_bench.study.planning import forecast
from matekd_bench.study.pool import PoolExecutor
from matekd_bench.study.preflight import check_given_teachers, check_methods
from matekd_bench.study.request import EXECUTORS, StudyRequest
from matekd_bench.study.shards import Shard, divide, parse_shard, slurm_shard
from matekd_bench.study.spec import study_spec
from matekd_bench.study.worker import Study

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host

SYNTHETIC = (
    "SYNTHETIC mini-GLUE: for GLUE itself use --glue-dir DIR or --preset NAME "
    "(minilm, paper-bert, paper-roberta)"
)


def run(request: StudyRequest, host: Host, events: Events, *, dry_run: bool = False) -> Summary:
    """Trains every run of the requested study that has no record, in the order of the plan.

    A run that fails is recorded with its reason and the rest goes on. Raises a BenchError before any training for
    whatever can be known to be wrong by then. With `dry_run` nothing is trained or written. A signal to stop saves
    the run under way and raises StoppedError.
    """
    with Interruptions() as interruptions:
        return _run(request, host, events, interruptions, dry_run)


def _run(
    request: StudyRequest, host: Host, events: Events, interruptions: Interruptions, dry_run: bool
) -> Summary:
    spec = study_spec(request)
    if spec.stand_ins:
        events.note(SYNTHETIC)
    shard = _shard(request, events)
    if request.executor not in EXECUTORS:
        raise unknown("executor", request.executor, EXECUTORS)
    if request.executor == "ray" and request.jobs is not None:
        raise UsageError("--jobs is for this machine; with --executor ray the cluster's resources decide.")
    said, device = spec.threads, resolve_device(spec.device)
    jobs = resolve_jobs(request.jobs, device, said)
    if device.type == "cpu" and jobs > 1 and said is None:
        spec = spec.model_copy(update={"threads": share_of_threads(jobs, None)})
        events.note(
            f"{jobs} runs at a time with --threads {spec.threads} each: on a CPU these are other runs than with more"
        )
    grid = make_grid(spec, request, host, events.stage)
    if shard is not None:
        grid = part_of(grid, shard)
    store = ResultsStore(request.results)
    plan = make_plan(grid, store, str(request.results), shard=shard, devices=request.devices)
    todo = [cell for cell, planned in zip(grid.cells, plan.runs, strict=True) if not planned.done]
    check_methods(todo)
    for data in grid.data.values():
        for notice in data.notices:
            events.note(f"{data.task.name}: {notice}")
    if dry_run:
        return _summary(grid, plan, Tally())
    if said is None and grid.threads is not None:
        _warn_of_other_threads(todo, store, grid.threads, events)
    local = LocalExecutor(grid, store, events, request.command, interruptions, fail_fast=request.fail_fast)
    if todo:
        store.check_writable()
        tidy(store.root)
        check_given_teachers(todo, local.assets)
    events.study_started(plan)
    asked = replace(request, threads=grid.threads, jobs=None, shard=None)
    study = Study(asked, host.files, host.only_builtin)
    executor: LocalExecutor | PoolExecutor | RayExecutor = local
    if request.executor == "ray":
        executor = RayExecutor(
            grid, store, events, study, interruptions, address=request.ray_address,
            resources=spec.resources, fail_fast=request.fail_fast,
        )  # fmt: skip
    elif jobs > 1:
        executor = PoolExecutor(
            grid, store, events, study, interruptions, jobs=jobs, places=places(device),
            threads=share_of_threads(jobs, spec.threads), fail_fast=request.fail_fast,
        )  # fmt: skip
    summary = _summary(grid, plan, executor.run(todo))
    events.study_finished(summary)
    return summary


def _warn_of_other_threads(todo: Sequence[Cell], store: ResultsStore, threads: int, events: Events) -> None:
    """Says which runs are recorded with another number of CPU threads, which makes them other runs."""
    wanted = {(cell.job.variant, cell.data.task.name, cell.job.seed, cell.protocol_id) for cell in todo}
    others: Counter[int] = Counter()
    for record in store.records():
        one, other = record.identity, record.compute.threads
        known = (one.variant, one.task, one.seed, one.protocol_id) in wanted
        if (
            known
            and record.status != "failed"
            and record.compute.device == "cpu"
            and other not in (None, threads)
        ):
            others[other or 0] += 1
    for other, runs in sorted(others.items()):
        events.warning(
            f"{runs} of these runs are recorded with {other} CPU threads and would be trained again with {threads}, "
            f"as other runs: --threads {other} takes them as they are"
        )


def _summary(grid: Grid, plan: Plan, tally: Tally) -> Summary:
    skipped = len(plan.runs) - len(plan.todo) + tally.elsewhere
    run_ids = tuple(cell.run_id for cell in grid.cells)
    return Summary(plan, tally.trained, skipped, tally.failed, run_ids, left=tally.left)


def _shard(request: StudyRequest, events: Events) -> Shard | None:
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
    grid: Grid, store: ResultsStore, results: str, *, shard: Shard | None = None, devices: int | None = None
) -> Plan:
    """The grid as it is shown to people, with what is already recorded, and what `devices` would make of the rest."""
    runs = tuple(
        PlannedRun(
            run_id=cell.run_id,
            method=cell.job.variant,
            task=cell.data.task.name,
            seed=cell.job.seed,
            updates=cell.job.budget[1] if cell.job.budget[0] == "student_updates" else None,
            done=store.has(cell.run_id),
        )
        for cell in grid.cells
    )
    todo = [cell for cell, planned in zip(grid.cells, runs, strict=True) if not planned.done]
    work, bases = work_of(todo, store.records())
    return Plan(
        runs=runs,
        tasks=tuple(grid.data),
        methods=tuple(method.variant for method in grid.methods),
        seeds=tuple(range(grid.spec.first_seed, grid.spec.first_seed + grid.spec.seeds)),
        preset=grid.spec.preset,
        data_states={name: data.state_text for name, data in grid.data.items()},
        results=results,
        control=grid.control,
        seconds=sum(one.seconds for one in work) if work else None,
        shard=None if shard is None else str(shard),
        forecast=forecast(work, devices, bases) if work and devices else None,
    )
