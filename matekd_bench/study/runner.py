"""Runs a study on this machine: what has no record yet is trained, one run after another, and recorded."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matekd_bench.distill.assets import TaskAssets
from matekd_bench.distill.run import Watch, train
from matekd_bench.errors import BenchError, ResultsError
from matekd_bench.results.store import ResultsStore
from matekd_bench.study import recording
from matekd_bench.study.estimate import seconds_left
from matekd_bench.study.events import Events, Plan, PlannedRun, Summary
from matekd_bench.study.grid import Cell, Grid, make_grid
from matekd_bench.study.preflight import check_given_teachers, check_methods

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host
    from matekd_bench.study.request import StudyRequest


def run(request: StudyRequest, host: Host, events: Events, *, dry_run: bool = False) -> Summary:
    """Trains every run of the requested study that has no record, in the order of the plan.

    A run that fails is recorded with its reason and the rest goes on. Raises a BenchError before any training for
    whatever can be known to be wrong by then. With `dry_run` nothing is trained or written.
    """
    grid = make_grid(request, host, events.stage)
    store = ResultsStore(request.results)
    plan = make_plan(grid, store, str(request.results))
    todo = [cell for cell, planned in zip(grid.cells, plan.runs, strict=True) if not planned.done]
    check_methods(todo)
    for data in grid.data.values():
        for notice in data.notices:
            events.note(f"{data.task.name}: {notice}")
    if dry_run:
        return _summary(grid, plan)
    local = LocalExecutor(grid, store, events, request.command)
    if todo:
        store.check_writable()
        check_given_teachers(todo, local.assets)
    events.study_started(plan)
    failed = local.run(todo)
    summary = _summary(grid, plan, trained=len(todo) - failed, failed=failed)
    events.study_finished(summary)
    return summary


def _summary(grid: Grid, plan: Plan, *, trained: int = 0, failed: int = 0) -> Summary:
    skipped = len(plan.runs) - len(plan.todo)
    return Summary(plan, trained, skipped, failed, run_ids=tuple(cell.run_id for cell in grid.cells))


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


class LocalExecutor:
    """Trains runs one after another in this process; what the runs of a task share is made once."""

    def __init__(self, grid: Grid, store: ResultsStore, events: Events, command: str) -> None:
        self._grid = grid
        self._store = store
        self._events = events
        self._command = command
        self._assets: dict[str, TaskAssets] = {}
        self._noted: set[str] = set()

    def assets(self, cell: Cell) -> TaskAssets:
        """What the runs on this cell's task share."""
        name = cell.data.task.name
        if name not in self._assets:
            self._assets[name] = TaskAssets(
                cell.data,
                cell.recipe,
                stage=self._events.stage,
                progress=lambda done, limit, loss: self._events.progress(done, limit, loss, None),
            )
        return self._assets[name]

    def run(self, cells: Sequence[Cell]) -> int:
        """Trains and records every cell; returns how many failed."""
        failures = 0
        for position, cell in enumerate(cells, start=1):
            self._events.run_started(cell.label, position, len(cells))
            started = time.perf_counter()
            status, score = self._one(cell)
            self._events.run_finished(cell.label, status, score, time.perf_counter() - started)
            failures += status == "failed"
            if not any(later.data.task.name == cell.data.task.name for later in cells[position:]):
                self._assets.pop(cell.data.task.name, None)  # its teacher need not stay in memory
        return failures

    def _one(self, cell: Cell) -> tuple[str, float | None]:
        started = time.perf_counter()
        try:
            assets = self.assets(cell)
            watch = Watch(self._events.progress, self._events.look_done, self._note)
            outcome = train(cell.job, assets, watch)
            record = recording.finished(cell, self._grid, assets, outcome, self._command)
        except ResultsError:
            raise
        except Exception as error:  # a method may raise anything: it costs its own run, with the reason kept
            reason = _reason(error)
            self._events.warning(f"{cell.label}: {reason}")
            self._events.detail("".join(traceback.format_exception(error)).rstrip())
            seconds = time.perf_counter() - started
            self._store.write(recording.failed(cell, self._grid, reason, seconds, self._command))
            return "failed", None
        self._write_data(cell)
        self._store.write(record, recording.predictions_of(cell, outcome), outcome.history)
        return record.status, record.task_score.last if record.task_score else None

    def _note(self, text: str) -> None:
        """Passes a method's notice on, once a study."""
        if text not in self._noted:
            self._noted.add(text)
            self._events.note(text)

    def _write_data(self, cell: Cell) -> None:
        for examples in cell.data.dev:
            self._store.write_data(
                cell.data.digests[examples.split],
                task=cell.data.task.name,
                split=examples.split,
                uids=examples.uids,
                labels=examples.labels or (),
            )


def _reason(error: Exception) -> str:
    """Why a run failed, in one line."""
    text = str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split()).removesuffix(":") or "no reason given"
