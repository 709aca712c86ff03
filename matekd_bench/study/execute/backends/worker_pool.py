"""Trains several runs at a time on this machine, in worker processes that are pinned to devices."""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from matekd_bench.errors import ResultsError
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.under_way import PARTIAL
from matekd_bench.study.events import Events
from matekd_bench.study.execute import recording
from matekd_bench.study.execute.backends.in_process import POLL_SECONDS, How, Tally
from matekd_bench.study.execute.backends.worker import WorkerStudy
from matekd_bench.study.execute.backends.worker_handle import Assignment, Worker, WorkerGroup
from matekd_bench.study.execute.device_slots import DeviceSlot, SlotPacking
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.work_queue import WorkQueue
from matekd_bench.study.plan.estimate import work_items
from matekd_bench.study.plan.forecast import TEACHERS, WorkItem
from matekd_bench.study.plan.grid import Cell, Grid

WATCH_SECONDS = 0.5  # between two looks at whether a signal has come


class PoolExecutor:
    """Trains runs in worker processes, `jobs` at a time, teachers before the runs that need them.

    A worker that dies costs its own run, which is recorded as failed. A signal has every worker save its run. The
    workers are the crew's, who dismisses them; where a study ends by an error they are dismissed here.
    """

    def __init__(
        self, grid: Grid, store: ResultsStore, events: Events, study: WorkerStudy, interruptions: Interruptions,
        *, crew: WorkerGroup, jobs: int, threads: int, places: Sequence[DeviceSlot], fail_fast: bool = False,
    ) -> None:  # fmt: skip
        self._grid, self._store, self._events = grid, store, events
        self._study, self._interruptions = study, interruptions
        self._threads, self._fail_fast = threads, fail_fast
        self._packing = SlotPacking(places, jobs)
        self._crew, self._workers, self._inbox = crew, crew.workers, crew.inbox
        self._run_views: dict[int, Events] = {}
        self._said: set[str] = set()
        self._tally = Tally()
        self._settings = grid.spec.model_dump(mode="json")
        self._begun: set[str] = set()
        self._retry_at = math.inf  # when to look again at runs that other processes had

    def run(self, cells: Sequence[Cell]) -> Tally:
        """Has every cell trained and recorded, or finds what other processes made of it."""
        if not cells:
            return self._tally
        self._cells = {cell.label: cell for cell in cells}
        self._agenda = WorkQueue(work_items(cells, self._store.records())[0])
        try:
            while len(self._agenda) or self._busy:
                if time.monotonic() >= self._retry_at:
                    self._agenda.retry()
                    self._retry_at = math.inf
                self._hand_out()
                self._hear()
                if self._interruptions.asked():
                    self._stop_all()
                    raise self._interruptions.stopped("stopped; run the same command to resume.")
                if self._fail_fast and self._tally.failed:
                    self._tally.left = len(self._agenda) + self._stop_all()
                    break
        except ResultsError:
            self._stop_all()
            self._crew.dismiss()
            raise
        except BaseException:
            self._crew.dismiss()
            raise
        return self._tally

    @property
    def _busy(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.at is not None]

    def _hand_out(self) -> None:
        """Gives out work for as long as there is room for it."""
        idle = [worker for worker in self._workers if worker.at is None]
        while True:
            near = idle[0].task if idle else None
            work = self._agenda.take(lambda one: self._packing.room((one.method, one.task)) is not None, near)
            if work is None:
                return
            place = self._packing.room((work.method, work.task))
            assert place is not None
            worker = self._worker_at(place, work.task, idle)
            self._packing.begin(place, (work.method, work.task))
            worker.begin(Assignment(work, place, time.perf_counter()), self._order(work))

    def _order(self, work: WorkItem) -> list[Any]:
        """What a worker is told: to train a run, or to make what the runs of a task share."""
        if work.method == TEACHERS:
            first = next(cell for cell in self._cells.values() if cell.data.task.name == work.task)
            return ["prepare", work.task, first.run_id, None]
        cell = self._cells[work.name]
        tuning = None if cell.tuning is None else cell.tuning.model_dump(mode="json")
        return ["train", work.task, cell.run_id, tuning]

    def _worker_at(self, place: DeviceSlot, task: str, idle: list[Worker]) -> Worker:
        """An idle worker there, if possible one that has the task at hand; else a new one."""
        there = sorted((one for one in idle if one.place == place), key=lambda one: one.task != task)
        if there:
            idle.remove(there[0])
            return there[0]
        taken = {worker.number for worker in self._workers}
        number = next(number for number in range(1, len(taken) + 2) if number not in taken)
        worker = Worker(number, place, self._study, self._threads, self._store.runs / PARTIAL, self._inbox)
        self._workers.append(worker)
        return worker

    def _run_view(self, worker: Worker) -> Events:
        """Where what a worker reports is told; one that takes another's number over has its view."""
        if worker.number not in self._run_views:
            self._run_views[worker.number] = self._events.run_view(worker.number)
        return self._run_views[worker.number]

    def _announce(self, worker: Worker, work: WorkItem) -> None:
        """Says once of each run that it has begun."""
        if work.name not in self._begun:
            self._begun.add(work.name)
            self._run_view(worker).run_started(work.name, len(self._begun), len(self._cells))

    def _hear(self) -> None:
        """Waits a moment for reports and takes them down."""
        with suppress(queue.Empty):
            self._take_down(*self._inbox.get(timeout=WATCH_SECONDS))
            while True:
                self._take_down(*self._inbox.get_nowait())

    def _take_down(self, worker: Worker, report: list[Any] | None) -> None:
        view = self._run_view(worker)
        match report:
            case None:
                self._died(worker)
            case ["note" | "warning" as kind, text] if text in self._said:
                assert kind
            case ["note" | "warning" as kind, text]:
                self._said.add(text)
                getattr(view, kind)(text)
            case ["memory", peak] if worker.at is not None:
                self._packing.measured(worker.at.kind, peak)
            case ["began"] if worker.at is not None:
                self._announce(worker, worker.at.work)
            case ["prepared"]:
                self._agenda.done(self._free(worker).work)
            case ["held"]:
                self._agenda.put_back(self._free(worker).work)
                self._retry_at = min(self._retry_at, time.monotonic() + POLL_SECONDS)
            case ["ended", how, status, score, seconds]:
                self._count(worker, self._free(worker).work, how, status, score, seconds)
            case ["refused", message, hint]:
                self._free(worker)
                raise ResultsError(message, hint=hint)
            case ["stopped", text] if text:
                self._events.note(text)
            case ["detail" | "stage" | "progress" | "evaluated" as kind, *values]:
                getattr(view, kind)(*values)

    def _free(self, worker: Worker) -> Assignment:
        at = worker.at
        assert at is not None
        worker.at = None
        self._packing.end(at.place, at.kind)
        return at

    def _count(
        self, worker: Worker, work: WorkItem, how: How, status: str, score: float | None, seconds: float
    ) -> None:
        self._announce(worker, work)  # one that died at once has said nothing
        self._tally.count(how)
        self._agenda.done(work)
        self._run_view(worker).run_finished(work.name, status, score, seconds)

    def _died(self, worker: Worker) -> None:
        """A worker that has ended is replaced when there is work; one that was at something has failed in it."""
        self._workers.remove(worker)
        at = self._free(worker) if worker.at is not None else None
        worker.close()
        if at is None:
            return
        if at.work.method == TEACHERS:
            self._events.warning(f"{at.work.name}: {worker.exit_reason()}")
            self._agenda.done(at.work)  # the first run that needs it tries again
            return
        cell, seconds = self._cells[at.work.name], time.perf_counter() - at.since
        if self._store.has(cell.run_id):  # it died after its work was done
            record = self._store.read(cell.run_id)
            score = record.task_score.last if record.task_score else None
            self._count(worker, at.work, "trained", record.status, score, seconds)
            return
        reason = worker.exit_reason()
        self._events.warning(f"{cell.label}: {reason}")
        command = self._study.request.command
        failed = recording.failed(cell, self._grid, reason, seconds, command)
        self._store.write(failed, study=self._settings)
        self._count(worker, at.work, "failed", "failed", None, seconds)

    def _stop_all(self) -> int:
        """Has every run saved, and returns how many were under way."""
        busy = self._busy
        for worker in busy:
            worker.stop()
        while self._busy:
            worker, report = self._inbox.get()
            if report is None:
                self._workers.remove(worker)
                worker.at = None
                worker.close()
                worker.forget()
            elif report[0] in ("stopped", "ended", "held"):
                self._take_down(worker, report)
        return len(busy)
