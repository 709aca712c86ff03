"""Runs a study on this machine: plans the grid, checks what can be known, and has the rest trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from matekd_bench.distill.artifacts.eviction import cache_limit
from matekd_bench.distill.device import deterministic_kernels
from matekd_bench.distill.training.ddp import Ranks
from matekd_bench.plugins.event_dispatch import EventDispatcher, chosen_trackers
from matekd_bench.results.store.kept_students import KeptStudents
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.under_way import sweep, tidy
from matekd_bench.study.events import Events, Plan, StudySummary
from matekd_bench.study.execute.backends.in_process import LocalExecutor, Tally
from matekd_bench.study.execute.event_relay import EventRelay, record_reader
from matekd_bench.study.execute.followers import follow, processes
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.placement import (
    Executor,
    ExecutorFactory,
    Placement,
    make_placement,
    warn_of_other_threads,
)
from matekd_bench.study.plan.grid import Cell, Grid, make_grid
from matekd_bench.study.plan.grid_lookup import GridLookup
from matekd_bench.study.plan.identity import used_by
from matekd_bench.study.plan.preflight import check_given_teachers, check_methods
from matekd_bench.study.plan.study_plan import chosen_shard, make_plan, part_of
from matekd_bench.study.plan.tuning import Tuner, make_tuner
from matekd_bench.study.spec.study_spec import study_spec

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host
    from matekd_bench.study.spec.request import StudyRequest

SYNTHETIC = (
    "SYNTHETIC mini-GLUE: for GLUE itself use --glue-dir DIR or --preset NAME "
    "(minilm, paper-bert, paper-roberta)"
)

FOREIGN = (
    "the preset's tiny checkpoint knows only the words of mini-GLUE and can learn little from other text: "
    "use --preset minilm, or --teacher and --student"
)


@dataclass(frozen=True)
class _PlannedStudy:
    """A study that was looked up, checked and planned: what there is to do, and whose trials it waits for."""

    grid: Grid
    store: ResultsStore
    todo: list[Cell]
    tuner: Tuner | None
    plan: Plan


def run(request: StudyRequest, host: Host, events: Events, *, dry_run: bool = False) -> StudySummary:
    """Trains every run of the requested study that has no record, in the order of the plan.

    A run that fails is recorded with its reason and the rest goes on. Raises a BenchError before any training for
    whatever can be known to be wrong by then. With `dry_run` nothing is trained or written. A signal to stop saves
    the run under way and raises StoppedError. Where several processes train each run, those that do not lead train
    what the first announces, and say nothing.
    """
    trackers = chosen_trackers(host, request.track)
    division = make_placement(request, study_spec(request, host))
    with (
        Interruptions() as interruptions,
        deterministic_kernels(division.spec.deterministic),
        processes(request, division, host, dry_run=dry_run) as ranks,
    ):
        if not ranks.leads:
            roster = GridLookup.of(division.spec, request, host, lambda text: None, ranks)
            follow(roster, ranks, interruptions.asked)
            return replace(_summary(roster.grid, _no_plan(roster.grid), Tally()), follows=True)
        study = _planned(request, division, host, events, ranks, quick=dry_run)
        if dry_run:
            return _summary(study.grid, study.plan, Tally())
        staff = ExecutorFactory(division, request, host, interruptions)
        with EventDispatcher(host, events.warning) as announcer:
            for tracker in trackers:
                announcer.start(tracker, request.results)
            try:
                return _train(study, staff, events, announcer)
            finally:
                staff.crew.dismiss()


def _planned(
    request: StudyRequest, division: Placement, host: Host, events: Events, ranks: Ranks, *, quick: bool
) -> _PlannedStudy:
    """Evaluations everything up, checks what can be known before training, and says what is worth knowing.

    `quick`: nothing will be trained, so that tokenizers are not loaded without need.
    """
    for note in division.notes:
        events.note(note)
    shard = chosen_shard(request, events)
    grid = make_grid(division.spec, request, host, events.stage, ranks)
    if division.spec.stand_ins:
        _say_what_is_synthetic(grid, events)
    if shard is not None:
        grid = part_of(grid, shard)
    store = ResultsStore(request.results)
    names = store.names()
    done = [cell.run_id in names and store.has(cell.run_id) for cell in grid.cells]
    todo = [cell for cell, recorded in zip(grid.cells, done, strict=True) if not recorded]
    check_methods(todo, quick=quick)
    for job in {cell.job.variant: cell.job for cell in todo}.values():
        if (used := used_by(job)) is not None:
            events.note(used)
    for data in grid.data.values():
        for notice in data.notices:
            events.note(f"{data.task.name}: {notice}")
    if request.keep == "last" and (lacking := _without_student(grid, store, done)):
        events.note(
            f"{lacking} recorded runs kept no student: 'matekd-bench predict RUN' says how to make one again."
        )
    tuner = (
        make_tuner(grid, todo, request.results, host, events.stage) if division.spec.tune and todo else None
    )
    plan = make_plan(grid, store, request, done, tuner=tuner, shard=shard, jobs=division.jobs)
    return _PlannedStudy(grid, store, todo, tuner, plan)


def _train(
    study: _PlannedStudy, staff: ExecutorFactory, events: Events, announcer: EventDispatcher
) -> StudySummary:
    """Has the trials and then the runs trained that are to do, and tells of it."""
    grid, store, plan, todo = study.grid, study.store, study.plan, study.todo
    sweep(store.root, store.has)
    told = EventRelay(events, announcer, record_reader(store.runs))
    executor = staff.executor(grid, store, told, runs=len(todo), fail_fast=staff.request.fail_fast)
    if todo:
        _check_the_rest(study, staff, executor, events)
    if study.tuner is not None:
        _tune(study.tuner, plan, staff, events)
        todo = study.tuner.settled(todo)
    told.study_started(plan)
    try:
        summary = _summary(grid, plan, executor.run(todo))
    except BaseException:
        told.study_stopped()
        raise
    told.study_finished(summary)
    return summary


def _check_the_rest(study: _PlannedStudy, staff: ExecutorFactory, executor: Executor, events: Events) -> None:
    """What must be right before the first run, and is only looked at where there is one."""
    cache_limit()  # a bad one is said now
    study.store.check_writable()
    tidy(study.store.root)
    if staff.division.threads_by_default and study.grid.threads is not None:
        warn_of_other_threads(study.todo, study.store, study.grid.threads, events)
    local = executor if isinstance(executor, LocalExecutor) else staff.here(study.grid, study.store, events)
    check_given_teachers(study.todo, local.assets)


def _without_student(grid: Grid, store: ResultsStore, done: Sequence[bool]) -> int:
    """How many of the recorded runs have no student: being recorded, they are not trained again for it."""
    kept = KeptStudents(store.root)
    return sum(
        recorded and not kept.has(cell.run_id) for cell, recorded in zip(grid.cells, done, strict=True)
    )


def _say_what_is_synthetic(grid: Grid, events: Events) -> None:
    """Which of the tasks are stand-ins, and that others are no GLUE either."""
    own = [name for name, data in grid.data.items() if data.task.own]
    if len(own) < len(grid.data):
        events.note(SYNTHETIC)
    if own:
        events.note(f"{', '.join(own)}: {FOREIGN}")


def _tune(tuner: Tuner, plan: Plan, staff: ExecutorFactory, events: Events) -> None:
    """Has the trials trained that have no record; one that fails is recorded like any run, and not chosen."""
    if cells := tuner.todo:
        events.note(
            f"tuning on a holdout of train: {plan.trials} trials, {len(cells)} to do; records go to {tuner.store.root}"
        )
        tidy(tuner.store.root)
        staff.executor(tuner.grid, tuner.store, events, runs=len(cells), fail_fast=False).run(cells)


def _summary(grid: Grid, plan: Plan, tally: Tally) -> StudySummary:
    skipped = len(plan.runs) - len(plan.todo) + tally.elsewhere
    run_ids = tuple(cell.run_id for cell in grid.cells)
    return StudySummary(plan, tally.trained, skipped, tally.failed, run_ids, left=tally.left)


def _no_plan(grid: Grid) -> Plan:
    """For a process that does not lead: nothing of its own to do."""
    return Plan((), tuple(grid.data), (), (), grid.spec.preset, {}, "")
