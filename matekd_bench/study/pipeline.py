"""Run a study from request to summary: plan the grid, check it, tune, train, report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from matekd_bench.distill.artifacts.eviction import cache_limit
from matekd_bench.distill.device import deterministic_kernels
from matekd_bench.distill.training.ddp import Ranks
from matekd_bench.plugins.event_dispatch import EventDispatcher, chosen_trackers
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.students_folder import KeptStudents
from matekd_bench.results.store.under_way import (
    delete_recorded_leftovers,
    delete_stale_files,
    unfinished_run_ids,
)
from matekd_bench.study.events import Events, Plan, StudySummary
from matekd_bench.study.execute.backends.in_process import LocalExecutor, Tally
from matekd_bench.study.execute.ddp_followers import follow, launch_processes
from matekd_bench.study.execute.event_relay import EventRelay, record_reader
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
from matekd_bench.study.plan.identity import describe_resources
from matekd_bench.study.plan.preflight import check_given_teachers, check_methods
from matekd_bench.study.plan.study_plan import chosen_shard, make_plan, restrict_to_shard
from matekd_bench.study.plan.tuning import Tuner, make_tuner
from matekd_bench.study.spec.study_spec import study_spec

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host
    from matekd_bench.study.spec.request import StudyRequest

SYNTHETIC_NOTE = (
    "SYNTHETIC mini-GLUE: for GLUE itself use --glue-dir DIR or --preset NAME "
    "(minilm, paper-bert, paper-roberta)"
)

TINY_VOCABULARY_NOTE = (
    "the preset's tiny checkpoint knows only the words of mini-GLUE and can learn little from other text: "
    "use --preset minilm, or --teacher and --student"
)


@dataclass(frozen=True)
class _PlannedStudy:
    """A study that was looked up, checked and planned, ready to be tuned and trained."""

    grid: Grid
    store: ResultsStore
    todo: list[Cell]  # runs without a record
    tuner: Tuner | None  # None: nothing to tune
    plan: Plan


def run(request: StudyRequest, host: Host, events: Events, *, dry_run: bool = False) -> StudySummary:
    """Train every run of the requested study that has no record, in the order of the plan.

    A run that fails is recorded with its reason, and the other runs continue. With `dry_run` nothing is trained or
    written. If several processes train each run together, the first one leads; the others train what it announces
    and report nothing.

    Raises a BenchError before any training for everything that can be checked by then. Raises StoppedError after a
    signal, once the run under way is saved.
    """
    trackers = chosen_trackers(host, request.track)
    placement = make_placement(request, study_spec(request, host))
    with (
        Interruptions() as interruptions,
        deterministic_kernels(placement.spec.deterministic),
        launch_processes(request, placement, host, dry_run=dry_run) as ranks,
    ):
        if not ranks.leads:
            return _follow_leader(request, placement, host, ranks, interruptions)
        study = _plan_study(request, placement, host, events, ranks, quick=dry_run)
        if dry_run:
            return _summary(study.grid, study.plan, Tally())
        executors = ExecutorFactory(placement, request, host, interruptions)
        with EventDispatcher(host, events.warning) as dispatcher:
            for tracker in trackers:
                dispatcher.start(tracker, request.results)
            try:
                return _train_study(study, executors, events, dispatcher)
            finally:
                executors.worker_group.dismiss()


def _follow_leader(
    request: StudyRequest, placement: Placement, host: Host, ranks: Ranks, interruptions: Interruptions
) -> StudySummary:
    """Help the leading process to train each run that it announces."""
    lookup = GridLookup.build(placement.spec, request, host, lambda text: None, ranks)
    follow(lookup, ranks, interruptions.stop_requested)
    empty_plan = Plan((), tuple(lookup.grid.data), (), (), lookup.grid.spec.preset, {}, "")
    return replace(_summary(lookup.grid, empty_plan, Tally()), follows=True)


def _plan_study(
    request: StudyRequest, placement: Placement, host: Host, events: Events, ranks: Ranks, *, quick: bool
) -> _PlannedStudy:
    """Look up everything that the study names, check what can be checked now, and make the plan.

    With `quick` nothing will be trained, so that most tokenizers need not be loaded.
    """
    for note in placement.notes:
        events.note(note)
    shard = chosen_shard(request, events)
    grid = make_grid(placement.spec, request, host, events.stage, ranks)
    if placement.spec.stand_ins:
        _note_synthetic_tasks(grid, events)
    if shard is not None:
        grid = restrict_to_shard(grid, shard)

    store = ResultsStore(request.results)
    run_ids = store.run_ids()
    recorded = [cell.run_id in run_ids and store.has(cell.run_id) for cell in grid.cells]
    todo = [cell for cell, has_record in zip(grid.cells, recorded, strict=True) if not has_record]

    check_methods(todo, quick=quick)
    _note_resources_and_data(grid, todo, events)
    if request.keep == "last" and (missing := _count_missing_students(grid, store, recorded)):
        events.note(
            f"{missing} recorded runs kept no student: 'matekd-bench predict RUN' says how to make one again."
        )

    tuner = (
        make_tuner(grid, todo, request.results, host, events.stage) if placement.spec.tune and todo else None
    )
    plan = make_plan(grid, store, request, recorded, tuner=tuner, shard=shard, jobs=placement.jobs)
    return _PlannedStudy(grid, store, todo, tuner, plan)


def _train_study(
    study: _PlannedStudy, executors: ExecutorFactory, events: Events, dispatcher: EventDispatcher
) -> StudySummary:
    """Train the trials and then the runs that have no record.

    The relay reports the runs to plugins as well as to `events`. Trials are reported to `events` alone.
    """
    grid, store, plan, todo = study.grid, study.store, study.plan, study.todo
    delete_recorded_leftovers(store.root, store.has)
    relay = EventRelay(events, dispatcher, record_reader(store.runs))
    executor = executors.executor(grid, store, relay, runs=len(todo), fail_fast=executors.request.fail_fast)
    if todo:
        _check_before_first_run(study, executors, executor, events)
    if study.tuner is not None:
        _train_trials(study.tuner, plan, executors, events)
        todo = study.tuner.choose_settings(todo)
    relay.study_started(plan)
    try:
        summary = _summary(grid, plan, executor.run(todo))
    except BaseException:  # a signal too: plugins learn that the study has ended
        relay.study_stopped()
        raise
    relay.study_finished(summary)
    return summary


def _check_before_first_run(
    study: _PlannedStudy, executors: ExecutorFactory, executor: Executor, events: Events
) -> None:
    """Make the checks that need the disk or a loaded teacher; a study with nothing to train skips them."""
    cache_limit()  # raises now, not in the middle of a study, if the limit is not a size
    study.store.check_writable()
    delete_stale_files(study.store.root)
    _note_skipped_checkpoints(study, events)
    if executors.placement.threads_by_default and study.grid.threads is not None:
        warn_of_other_threads(study.todo, study.store, study.grid.threads, events)
    # A local executor keeps the teachers that are loaded here for its runs.
    local = (
        executor
        if isinstance(executor, LocalExecutor)
        else executors.local_executor(study.grid, study.store, events)
    )
    check_given_teachers(study.todo, local.assets)


def _note_skipped_checkpoints(study: _PlannedStudy, events: Events) -> None:
    """Note the runs that start over although one of their name, with another id, was interrupted here.

    Another id means other settings, or a version of the suite with another `ENGINE`.
    """
    of_this_study = {cell.run_id for cell in study.grid.cells}
    unfinished = unfinished_run_ids(study.store.root)
    skipped = {_without_hash(run_id): run_id for run_id in sorted(unfinished - of_this_study)}
    for cell in study.todo:
        run_id = skipped.get(_without_hash(cell.run_id))
        if run_id is not None and cell.run_id not in unfinished:
            events.note(
                f"{cell.label}: checkpoint of other settings or another version skipped ({run_id}); it starts over"
            )


def _without_hash(run_id: str) -> str:
    """Return task, method and seed of a run id."""
    return run_id.rpartition("-")[0]


def _train_trials(tuner: Tuner, plan: Plan, executors: ExecutorFactory, events: Events) -> None:
    """Train the trials that have no record; a trial that fails is recorded and never chosen."""
    if cells := tuner.todo:
        events.note(
            f"tuning on a holdout of train: {plan.trials} trials, {len(cells)} to do; records go to {tuner.store.root}"
        )
        delete_stale_files(tuner.store.root)
        executor = executors.executor(tuner.grid, tuner.store, events, runs=len(cells), fail_fast=False)
        executor.run(cells)


def _note_synthetic_tasks(grid: Grid, events: Events) -> None:
    """Note that stand-ins are synthetic, and that the preset's checkpoint hardly suits the user's own tasks."""
    own = [name for name, data in grid.data.items() if data.task.own]
    if len(own) < len(grid.data):
        events.note(SYNTHETIC_NOTE)
    if own:
        events.note(f"{', '.join(own)}: {TINY_VOCABULARY_NOTE}")


def _note_resources_and_data(grid: Grid, todo: Sequence[Cell], events: Events) -> None:
    """Note the resources that the methods use, such as a thesaurus, and what is unusual about the data."""
    for job in {cell.job.variant: cell.job for cell in todo}.values():
        if (description := describe_resources(job)) is not None:
            events.note(description)
    for data in grid.data.values():
        for notice in data.notices:
            events.note(f"{data.task.name}: {notice}")


def _count_missing_students(grid: Grid, store: ResultsStore, recorded: Sequence[bool]) -> int:
    """Count the recorded runs without a kept student; they are not trained again for it."""
    students = KeptStudents(store.root)
    return sum(
        has_record and not students.has(cell.run_id)
        for cell, has_record in zip(grid.cells, recorded, strict=True)
    )


def _summary(grid: Grid, plan: Plan, tally: Tally) -> StudySummary:
    """Summarize the study; runs that other processes recorded meanwhile count as skipped."""
    skipped = len(plan.runs) - len(plan.todo) + tally.elsewhere
    run_ids = tuple(cell.run_id for cell in grid.cells)
    return StudySummary(plan, tally.trained, skipped, tally.failed, run_ids, left=tally.left)
