"""Run a study from request to summary: plan the grid, check it, tune, train, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from matekd_bench.distill.artifacts.eviction import cache_limit
from matekd_bench.distill.device import deterministic_kernels
from matekd_bench.distill.training.ddp import Ranks
from matekd_bench.errors import ResultsError
from matekd_bench.events import Event, Message, Progress, Sink, StudyFinished
from matekd_bench.plugins.event_dispatch import PluginSink, chosen_trackers
from matekd_bench.plugins.known_names import tasks_and_suites
from matekd_bench.results.leaderboard.build import build
from matekd_bench.results.leaderboard.evidence import Evidence
from matekd_bench.results.report.export_tables import leaderboard_rows
from matekd_bench.results.store.collection import read_folders
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.students_folder import KeptStudents
from matekd_bench.results.store.under_way import (
    delete_recorded_leftovers,
    delete_stale_files,
    unfinished_run_ids,
)
from matekd_bench.spelling import counted
from matekd_bench.study.execute.ddp_followers import follow, launch_processes
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.placement import (
    Placement,
    SchedulerFactory,
    make_placement,
    warn_of_other_threads,
)
from matekd_bench.study.execute.runner import Runner
from matekd_bench.study.execute.study_session import StudySession
from matekd_bench.study.plan.code_changes import changed_code, check_libraries, without_hash
from matekd_bench.study.plan.grid import Cell, Grid, make_grid
from matekd_bench.study.plan.identity import describe_resources
from matekd_bench.study.plan.preflight import check_given_teachers, check_methods, check_models, row_notes
from matekd_bench.study.plan.set_checks import check_sets_used, count_unscored, perturb_rows, set_notes
from matekd_bench.study.plan.study_plan import (
    Plan,
    chosen_shard,
    make_plan,
    restrict_to_shard,
    started_after_trials,
)
from matekd_bench.study.plan.tuning import Tuner, make_tuner

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host
    from matekd_bench.study.spec.request import StudyRequest

SYNTHETIC_NOTE = (
    "SYNTHETIC mini-GLUE: for GLUE itself use --glue-dir DIR or --preset NAME "
    "(minilm, paper-bert, paper-roberta)"
)

TINY_VOCABULARY_NOTE = (
    "the preset's tiny checkpoint knows only the words of mini-GLUE and learns little from other text: "
    "use --preset minilm, or --teacher and --student"
)


@dataclass(frozen=True)
class StudySummary:
    """The plan of a study and its end; a process that only helps another one to train has no plan."""

    plan: Plan | None
    end: StudyFinished


@dataclass(frozen=True)
class _PlannedStudy:
    """A study that has been looked up, checked and planned, and is ready to be tuned and trained."""

    grid: Grid
    store: ResultsStore
    todo: list[Cell]  # runs without a record
    tuner: Tuner | None  # None: nothing to tune
    plan: Plan


def run(request: StudyRequest, host: Host, sink: Sink, *, dry_run: bool = False) -> StudySummary:
    """Train every run of the requested study that has no record, in the order of the plan.

    A run that fails is recorded with its reason, and the other runs continue. With `dry_run` nothing is trained or
    written. If several processes train each run together, the first one leads; the others train what it announces and
    report nothing.

    Raises a BenchError before any training for everything that can be checked before it. Raises StoppedError after a
    signal, once the current run is saved.
    """
    trackers = chosen_trackers(host, request.execution.track)
    placement = make_placement(request, host.in_process)
    with Interruptions(sink) as interruptions:
        schedulers = SchedulerFactory(placement, host, interruptions)
        shared = schedulers.shared_study()
        with (
            deterministic_kernels(request.spec.deterministic),
            launch_processes(shared, placement, interruptions, dry_run=dry_run) as ranks,
        ):
            if not ranks.leads:
                follow(StudySession(shared, sink, placement.device), ranks, interruptions.stop_requested)
                return StudySummary(None, StudyFinished(status="done"))
            study = _plan_study(placement, host, sink, ranks, quick=dry_run)
            if dry_run:
                return StudySummary(study.plan, StudyFinished(status="done"))
            with PluginSink(host, lambda text: sink.emit(Message(kind="warning", text=text))) as plugins:
                for tracker in trackers:
                    plugins.start(tracker, request.execution.results)
                try:
                    return _train_study(study, schedulers, sink, plugins)
                finally:
                    schedulers.worker_group.dismiss()


def _plan_study(placement: Placement, host: Host, sink: Sink, ranks: Ranks, *, quick: bool) -> _PlannedStudy:
    """Look up everything that the study names, check what can be checked now, and make the plan.

    With `quick` nothing will be trained, so most tokenizers need not be loaded.
    """
    for note in placement.notes:
        _note(sink, note)
    spec, execution = placement.request.spec, placement.request.execution
    shard = chosen_shard(execution.shard, sink)
    grid = make_grid(spec, placement.device, host, sink, ranks)
    if spec.stand_ins:
        _note_synthetic_tasks(grid, sink)
    check_sets_used(grid)  # in the whole grid: a shard may lack the tasks of some sets
    if shard is not None:
        grid = restrict_to_shard(grid, shard)

    store = ResultsStore(execution.results)
    run_ids = store.run_ids()
    recorded = [cell.run_id in run_ids and store.has(cell.run_id) for cell in grid.cells]
    todo = [cell for cell, has_record in zip(grid.cells, recorded, strict=True) if not has_record]

    check_methods(todo, quick=quick)
    check_libraries(todo)
    for change in changed_code(todo, store, run_ids):
        _note(sink, change)
    _note_resources_and_data(grid, todo, sink)
    for note in row_notes(todo):
        _note(sink, note)
    for note in set_notes(grid):
        _note(sink, note)
    finished = [cell for cell, has_record in zip(grid.cells, recorded, strict=True) if has_record]
    if unscored := count_unscored(finished, store):
        _note(
            sink,
            f"{counted(unscored, 'recorded run')} without scores on some sets of --also: not trained again. To train "
            f"and score such a run, use a different --results DIR.",
        )
    if spec.keep == "last" and (missing := _count_missing_students(grid, store, recorded)):
        _note(
            sink,
            f"{counted(missing, 'recorded run')} without a kept student: 'matekd-bench predict RUN' shows how to train "
            f"one again.",
        )
    if todo:
        _stage(sink, "timing the machine")
    tuner = make_tuner(grid, todo, execution.results, sink) if spec.tune and todo else None
    plan = make_plan(grid, store, execution.results, recorded, tuner=tuner, shard=shard, jobs=placement.jobs)
    return _PlannedStudy(grid, store, todo, tuner, plan)


def _train_study(
    study: _PlannedStudy, schedulers: SchedulerFactory, sink: Sink, plugins: PluginSink
) -> StudySummary:
    """Train the trials and then the runs that have no record.

    The study is reported to plugins and to `sink`, trials only to `sink`.
    """
    grid, store, todo = study.grid, study.store, study.todo
    delete_recorded_leftovers(store.root, store.has)
    runner = schedulers.runner(grid, store, sink)
    if todo:
        _check_before_first_run(study, schedulers, runner, sink)
    started = study.plan.study
    if study.tuner is not None:
        _train_trials(study.tuner, study.plan, schedulers, sink)
        todo = study.tuner.complete(todo, grid)
        started = started_after_trials(study.plan, todo, store, schedulers.placement.jobs)
    sinks = (sink, plugins)
    _emit(sinks, started)
    scheduler = schedulers.scheduler(
        grid, store, sinks, runner,
        runs=len(todo), fail_fast=schedulers.placement.request.execution.fail_fast,
    )  # fmt: skip
    try:
        end = scheduler.run(todo)
    except BaseException:  # also after a signal: plugins must learn that the study has ended
        plugins.emit(StudyFinished(status="stopped"))
        raise
    end = replace(end, skipped=end.skipped + len(study.plan.study.runs) - len(study.todo))
    _emit(
        sinks,
        replace(end, rows=_table_rows(study, schedulers.host) if plugins.receives(StudyFinished) else ()),
    )
    return StudySummary(study.plan, end)


def _table_rows(study: _PlannedStudy, host: Host) -> tuple[Mapping[str, Any], ...]:
    """Return the leaderboard rows of the study's runs; none if the results folder cannot be read."""
    run_ids = {cell.run_id for cell in study.grid.cells}
    try:
        collection = read_folders([study.store.root])
    except ResultsError:
        return ()
    tasks, suites = tasks_and_suites(host)
    leaderboard = build(
        [record for record in collection.records if record.run_id in run_ids],
        tasks=tasks, suites=suites, reference=study.plan.study.reference, evidence=Evidence(collection.stores),
        plan=study.plan.study.runs,
    )  # fmt: skip
    return tuple(leaderboard_rows(leaderboard, suites).rows)


def _check_before_first_run(
    study: _PlannedStudy, schedulers: SchedulerFactory, runner: Runner, sink: Sink
) -> None:
    """Make the checks that need the disk or a loaded teacher; a study with nothing to train skips them."""
    cache_limit()  # raises now rather than in the middle of a study if the limit is not a size
    study.store.check_writable()
    delete_stale_files(study.store.root)
    _note_skipped_checkpoints(study, sink)
    if "threads" not in schedulers.placement.request.given and study.grid.threads is not None:
        warn_of_other_threads(study.todo, study.store, study.grid.threads, sink)
    _note_gpu_hours(study.plan, schedulers.placement, sink)
    _stage(sink, "checking models")
    check_models(study.todo, sink)
    check_given_teachers(study.todo, runner.assets)  # the runner keeps them for runs in this process
    perturb_rows(study.todo, runner.evaluator)


def _note_gpu_hours(plan: Plan, placement: Placement, sink: Sink) -> None:
    """Report how many GPU-hours the remaining work is expected to take."""
    if placement.device.type == "cuda" and plan.device_seconds is not None:
        bases = "; ".join(f"{counted(runs, 'run')} from {basis}" for basis, runs in plan.bases.items())
        _note(sink, f"about {plan.device_seconds / 3600:.1f} GPU-hours remain, estimated for {bases}")


def _note_skipped_checkpoints(study: _PlannedStudy, sink: Sink) -> None:
    """Report the runs that start over although a run of the same name, with another id, was interrupted here.

    Another id means that the settings differ, or the `ENGINE` of the matekd-bench version.
    """
    of_this_study = {cell.run_id for cell in study.grid.cells}
    unfinished = unfinished_run_ids(study.store.root)
    skipped = {without_hash(run_id): run_id for run_id in sorted(unfinished - of_this_study)}
    for cell in study.todo:
        run_id = skipped.get(without_hash(cell.run_id))
        if run_id is not None and cell.run_id not in unfinished:
            _note(
                sink,
                f"{cell.label}: skipped a checkpoint of different settings or a different version ({run_id}); starting "
                f"over",
            )


def _train_trials(tuner: Tuner, plan: Plan, schedulers: SchedulerFactory, sink: Sink) -> None:
    """Train the trials that have no record; a trial that fails is recorded and never chosen."""
    if cells := tuner.todo:
        trials = counted(plan.trials, "trial")
        _note(
            sink,
            f"tuning on a holdout of train: {trials}, {len(cells)} to do; records go to {tuner.store.root}",
        )
        delete_stale_files(tuner.store.root)
        runner = schedulers.runner(tuner.grid, tuner.store, sink)
        scheduler = schedulers.scheduler(
            tuner.grid, tuner.store, (sink,), runner, runs=len(cells), fail_fast=False
        )
        scheduler.run(cells)


def _note_synthetic_tasks(grid: Grid, sink: Sink) -> None:
    """Report that stand-ins are synthetic, and that the preset's checkpoint hardly suits the user's own tasks."""
    own = [name for name, data in grid.data.items() if data.task.own]
    if len(own) < len(grid.data):
        _note(sink, SYNTHETIC_NOTE)
    if own:
        _note(sink, f"{', '.join(own)}: {TINY_VOCABULARY_NOTE}")


def _note_resources_and_data(grid: Grid, todo: Sequence[Cell], sink: Sink) -> None:
    """Report the resources that the methods use, such as a thesaurus, and anything unusual about the data."""
    for job in {cell.job.variant: cell.job for cell in todo}.values():
        if (description := describe_resources(job)) is not None:
            _note(sink, description)
    for data in grid.data.values():
        for notice in data.notices:
            _note(sink, f"{data.task.name}: {notice}")


def _stage(sink: Sink, text: str) -> None:
    """Announce a single step that may take a while."""
    sink.emit(Message(kind="stage", text=text, counted=True))
    sink.emit(Progress(done=0, limit=1, preparing=True))


def _note(sink: Sink, text: str) -> None:
    sink.emit(Message(kind="note", text=text))


def _emit(sinks: Sequence[Sink], event: Event) -> None:
    for sink in sinks:
        sink.emit(event)


def _count_missing_students(grid: Grid, store: ResultsStore, recorded: Sequence[bool]) -> int:
    """Count the recorded runs without a kept student; they are not trained again for it."""
    students = KeptStudents(store.root)
    return sum(
        has_record and not students.has(cell.run_id)
        for cell, has_record in zip(grid.cells, recorded, strict=True)
    )
