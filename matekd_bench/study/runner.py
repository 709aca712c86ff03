"""Runs a study on this machine: plans the grid, checks what can be known, and has the rest trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matekd_bench.distill.device import deterministic_kernels
from matekd_bench.distill.upkeep import cache_limit
from matekd_bench.plugins.announcing import Announcer, chosen_trackers
from matekd_bench.results.folder.store import ResultsStore
from matekd_bench.results.folder.students import KeptStudents
from matekd_bench.results.folder.underway import sweep, tidy
from matekd_bench.study.events import Events, Plan, Summary
from matekd_bench.study.executor import LocalExecutor, Tally
from matekd_bench.study.grid import Grid, make_grid
from matekd_bench.study.interrupts import Interruptions
from matekd_bench.study.plans import chosen_shard, make_plan, part_of
from matekd_bench.study.preflight import check_given_teachers, check_methods
from matekd_bench.study.spec import study_spec
from matekd_bench.study.telling import Telling, record_reader
from matekd_bench.study.tuning import Tuner, make_tuner

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host
    from matekd_bench.study.request import StudyRequest

SYNTHETIC = (
    "SYNTHETIC mini-GLUE: for GLUE itself use --glue-dir DIR or --preset NAME "
    "(minilm, paper-bert, paper-roberta)"
)

FOREIGN = (
    "the preset's tiny checkpoint knows only the words of mini-GLUE and can learn little from other text: "
    "use --preset minilm, or --teacher and --student"
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
    trackers = chosen_trackers(host, request.track)
    spec = study_spec(request, host)
    shard = chosen_shard(request, events)
    grid = make_grid(spec, request, host, events.stage)
    if spec.stand_ins:
        _say_what_is_synthetic(grid, events)
    if shard is not None:
        grid = part_of(grid, shard)
    store = ResultsStore(request.results)
    done = [store.has(cell.run_id) for cell in grid.cells]
    todo = [cell for cell, recorded in zip(grid.cells, done, strict=True) if not recorded]
    check_methods(todo)
    for data in grid.data.values():
        for notice in data.notices:
            events.note(f"{data.task.name}: {notice}")
    if request.keep == "last" and (lacking := _without_student(grid, store, done)):
        events.note(
            f"{lacking} recorded runs kept no student: 'matekd-bench predict RUN' says how to make one again."
        )
    tuner = make_tuner(grid, todo, request.results, host, events.stage) if spec.tune and todo else None
    plan = make_plan(grid, store, request, done, tuner=tuner, shard=shard)
    if dry_run:
        return _summary(grid, plan, Tally())
    sweep(store.root, store.has)
    with Announcer(host, events.warning) as announcer:
        for tracker in trackers:
            announcer.start(tracker, request.results)
        told = Telling(events, announcer, record_reader(store.runs))
        local = LocalExecutor(grid, store, told, request.command, interruptions, fail_fast=request.fail_fast)
        if todo:
            cache_limit()  # a bad one is said now
            store.check_writable()
            tidy(store.root)
            check_given_teachers(todo, local.assets)
        with deterministic_kernels(spec.deterministic):
            if tuner is not None:
                _tune(tuner, plan, events, request.command, interruptions)
                todo = tuner.settled(todo)
            told.study_started(plan)
            try:
                summary = _summary(grid, plan, local.run(todo))
            except BaseException:
                told.study_stopped()
                raise
            told.study_finished(summary)
    return summary


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


def _tune(tuner: Tuner, plan: Plan, events: Events, command: str, interruptions: Interruptions) -> None:
    """Trains the trials that have no record; one that fails is recorded like any run, and not chosen."""
    if cells := tuner.todo:
        events.note(
            f"tuning on a holdout of train: {plan.trials} trials, {len(cells)} to do; records go to {tuner.store.root}"
        )
        tidy(tuner.store.root)
        LocalExecutor(tuner.grid, tuner.store, events, command, interruptions).run(cells)


def _summary(grid: Grid, plan: Plan, tally: Tally) -> Summary:
    skipped = len(plan.runs) - len(plan.todo) + tally.elsewhere
    run_ids = tuple(cell.run_id for cell in grid.cells)
    return Summary(plan, tally.trained, skipped, tally.failed, run_ids, left=tally.left)
