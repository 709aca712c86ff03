"""Runs a study on this machine: plans the grid, checks what can be known, and has the rest trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matekd_bench.distill.device import deterministic_kernels
from matekd_bench.distill.upkeep import cache_limit
from matekd_bench.results.store import ResultsStore
from matekd_bench.results.underway import sweep, tidy
from matekd_bench.study.estimate import seconds_left
from matekd_bench.study.events import Events, Plan, PlannedRun, Summary
from matekd_bench.study.executor import LocalExecutor, Tally
from matekd_bench.study.grid import Grid, make_grid
from matekd_bench.study.interrupts import Interruptions
from matekd_bench.study.preflight import check_given_teachers, check_methods
from matekd_bench.study.spec import study_spec

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host
    from matekd_bench.study.request import StudyRequest

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
    grid = make_grid(spec, request, host, events.stage)
    store = ResultsStore(request.results)
    plan = make_plan(grid, store, str(request.results))
    todo = [cell for cell, planned in zip(grid.cells, plan.runs, strict=True) if not planned.done]
    check_methods(todo)
    for data in grid.data.values():
        for notice in data.notices:
            events.note(f"{data.task.name}: {notice}")
    if dry_run:
        return _summary(grid, plan, Tally())
    sweep(store.root, store.has)
    local = LocalExecutor(grid, store, events, request.command, interruptions, fail_fast=request.fail_fast)
    if todo:
        cache_limit()  # a bad one is said now
        store.check_writable()
        tidy(store.root)
        check_given_teachers(todo, local.assets)
    events.study_started(plan)
    with deterministic_kernels(spec.deterministic):
        summary = _summary(grid, plan, local.run(todo))
    events.study_finished(summary)
    return summary


def _summary(grid: Grid, plan: Plan, tally: Tally) -> Summary:
    skipped = len(plan.runs) - len(plan.todo) + tally.elsewhere
    run_ids = tuple(cell.run_id for cell in grid.cells)
    return Summary(plan, tally.trained, skipped, tally.failed, run_ids, left=tally.left)


def make_plan(grid: Grid, store: ResultsStore, results: str) -> Plan:
    """The grid as it is shown to people, with what is already recorded."""
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
    return Plan(
        runs=runs,
        tasks=tuple(grid.data),
        methods=tuple(method.variant for method in grid.methods),
        seeds=tuple(range(grid.spec.first_seed, grid.spec.first_seed + grid.spec.seeds)),
        preset=grid.spec.preset,
        data_states={name: data.state_text for name, data in grid.data.items()},
        results=results,
        control=grid.control,
        seconds=seconds_left(todo, store),
    )
