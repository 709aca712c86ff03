"""Runs a study on this machine: plans the grid, checks what can be known, and has the rest trained."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from matekd_bench.distill.ranks import Ranks
from matekd_bench.results.store import ResultsStore
from matekd_bench.results.underway import tidy
from matekd_bench.study.division import Division, divided, executor_away, part_of, warn_of_other_threads
from matekd_bench.study.estimate import work_of
from matekd_bench.study.events import Events, Plan, PlannedRun, Summary
from matekd_bench.study.executor import LocalExecutor, Tally
from matekd_bench.study.follow import follow, processes
from matekd_bench.study.grid import Grid, make_grid
from matekd_bench.study.interrupts import Interruptions
from matekd_bench.study.planning import forecast, schedule
from matekd_bench.study.preflight import check_given_teachers, check_methods
from matekd_bench.study.request import StudyRequest
from matekd_bench.study.shards import Shard
from matekd_bench.study.spec import study_spec

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
    the run under way and raises StoppedError. Where several processes train each run, those that do not lead train
    what the first announces, and say nothing.
    """
    spec = study_spec(request)
    division = divided(request, spec)
    with Interruptions() as interruptions, processes(request, division, host, dry_run=dry_run) as ranks:
        if not ranks.leads:
            grid = make_grid(division.spec, request, host, lambda text: None, ranks)
            follow(grid, ranks, interruptions.asked)
            return replace(_summary(grid, _no_plan(grid), Tally()), follows=True)
        return _run(request, division, host, events, interruptions, ranks, dry_run)


def _run(
    request: StudyRequest, division: Division, host: Host, events: Events, interruptions: Interruptions,
    ranks: Ranks, dry_run: bool,
) -> Summary:  # fmt: skip
    spec = division.spec
    if spec.stand_ins:
        events.note(SYNTHETIC)
    for note in division.notes:
        events.note(note)
    grid = make_grid(spec, request, host, events.stage, ranks)
    if division.shard is not None:
        grid = part_of(grid, division.shard)
    store = ResultsStore(request.results)
    plan = make_plan(
        grid, store, str(request.results), shard=division.shard, devices=request.devices, jobs=division.jobs
    )
    todo = [cell for cell, planned in zip(grid.cells, plan.runs, strict=True) if not planned.done]
    check_methods(todo)
    for data in grid.data.values():
        for notice in data.notices:
            events.note(f"{data.task.name}: {notice}")
    if dry_run:
        return _summary(grid, plan, Tally())
    if division.threads_by_default and grid.threads is not None:
        warn_of_other_threads(todo, store, grid.threads, events)
    local = LocalExecutor(grid, store, events, request.command, interruptions, fail_fast=request.fail_fast)
    if todo:
        store.check_writable()
        tidy(store.root)
        check_given_teachers(todo, local.assets)
    events.study_started(plan)
    away = executor_away(division, request, grid, store, events, host, interruptions)
    summary = _summary(grid, plan, (away or local).run(todo))
    events.study_finished(summary)
    return summary


def _summary(grid: Grid, plan: Plan, tally: Tally) -> Summary:
    skipped = len(plan.runs) - len(plan.todo) + tally.elsewhere
    run_ids = tuple(cell.run_id for cell in grid.cells)
    return Summary(plan, tally.trained, skipped, tally.failed, run_ids, left=tally.left)


def _no_plan(grid: Grid) -> Plan:
    """For a process that does not lead: nothing of its own to do."""
    spec = grid.spec
    return Plan((), tuple(grid.data), (), (), spec.preset, {}, "")


def make_plan(
    grid: Grid, store: ResultsStore, results: str,
    *, shard: Shard | None = None, devices: int | None = None, jobs: int = 1,
) -> Plan:  # fmt: skip
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
        seconds=schedule(work, jobs) if work else None,
        shard=None if shard is None else str(shard),
        forecast=forecast(work, devices, bases) if work and devices else None,
    )
