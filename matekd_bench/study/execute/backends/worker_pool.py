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
from matekd_bench.study.execute.backends.in_process import POLL_SECONDS, ExitKind, Tally
from matekd_bench.study.execute.backends.worker import WorkerStudy
from matekd_bench.study.execute.backends.worker_handle import Assignment, Worker, WorkerGroup
from matekd_bench.study.execute.device_slots import DeviceSlot, SlotPacking
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.work_queue import WorkQueue
from matekd_bench.study.plan.estimate import work_items
from matekd_bench.study.plan.forecast import TEACHERS, WorkItem
from matekd_bench.study.plan.grid import Cell, Grid

WATCH_SECONDS = 0.5  # between two checks whether a signal has come


class PoolExecutor:
    """An executor that trains runs in worker processes, `jobs` at a time, teachers before the runs that need them.

    If a worker dies, its run is recorded as failed and the others continue. After a signal every worker saves its
    run. The workers belong to `worker_group`, whose owner dismisses them; after an error they are dismissed here.
    """

    def __init__(
        self, grid: Grid, store: ResultsStore, events: Events, study: WorkerStudy, interruptions: Interruptions,
        *, worker_group: WorkerGroup, jobs: int, threads: int, slots: Sequence[DeviceSlot], fail_fast: bool = False,
    ) -> None:  # fmt: skip
        self._grid, self._store, self._events = grid, store, events
        self._study, self._interruptions = study, interruptions
        self._threads, self._fail_fast = threads, fail_fast
        self._packing = SlotPacking(slots, jobs)
        self._group, self._workers, self._inbox = worker_group, worker_group.workers, worker_group.inbox
        self._run_views: dict[int, Events] = {}
        self._shown_messages: set[str] = set()
        self._tally = Tally()
        self._settings = grid.spec.model_dump(mode="json")
        self._announced: set[str] = set()
        self._retry_at = math.inf  # when to try again the runs that other processes held

    def run(self, cells: Sequence[Cell]) -> Tally:
        """Train and record every cell; cells that another process records meanwhile are only counted."""
        if not cells:
            return self._tally
        self._cells = {cell.label: cell for cell in cells}
        self._queue = WorkQueue(work_items(cells, self._store.records())[0])
        try:
            while len(self._queue) or self._busy_workers:
                if time.monotonic() >= self._retry_at:
                    self._queue.retry()
                    self._retry_at = math.inf
                self._assign_work()
                self._handle_reports()
                if self._interruptions.stop_requested():
                    self._stop_all()
                    raise self._interruptions.stopped_error("stopped; run the same command to resume.")
                if self._fail_fast and self._tally.failed:
                    self._tally.left = len(self._queue) + self._stop_all()
                    break
        except ResultsError:
            self._stop_all()
            self._group.dismiss()
            raise
        except BaseException:
            self._group.dismiss()
            raise
        return self._tally

    @property
    def _busy_workers(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.assignment is not None]

    def _assign_work(self) -> None:
        """Assign work to workers as long as a device has room for it."""
        idle = [worker for worker in self._workers if worker.assignment is None]
        while True:
            preferred_task = idle[0].task if idle else None
            work = self._queue.take(
                lambda item: self._packing.slot_for((item.method, item.task)) is not None, preferred_task
            )
            if work is None:
                return
            slot = self._packing.slot_for((work.method, work.task))
            assert slot is not None
            worker = self._worker_on(slot, work.task, idle)
            self._packing.begin(slot, (work.method, work.task))
            worker.assign(Assignment(work, slot, time.perf_counter()), self._order(work))

    def _order(self, work: WorkItem) -> list[Any]:
        """Return the order to train a run, or to make what the runs of a task share."""
        if work.method == TEACHERS:
            first_cell = next(cell for cell in self._cells.values() if cell.data.task.name == work.task)
            return ["prepare", work.task, first_cell.run_id, None]
        cell = self._cells[work.name]
        tuning = None if cell.tuning is None else cell.tuning.model_dump(mode="json")
        return ["train", work.task, cell.run_id, tuning]

    def _worker_on(self, slot: DeviceSlot, task: str, idle: list[Worker]) -> Worker:
        """Return an idle worker on the device, preferably one with the task's data loaded; else start one."""
        candidates = sorted(
            (worker for worker in idle if worker.slot == slot), key=lambda worker: worker.task != task
        )
        if candidates:
            idle.remove(candidates[0])
            return candidates[0]
        taken = {worker.number for worker in self._workers}
        number = next(number for number in range(1, len(taken) + 2) if number not in taken)
        worker = Worker(number, slot, self._study, self._threads, self._store.runs / PARTIAL, self._inbox)
        self._workers.append(worker)
        return worker

    def _run_view(self, worker: Worker) -> Events:
        """Return the watcher for a worker's reports; a worker that gets the number of an ended one shares its view."""
        if worker.number not in self._run_views:
            self._run_views[worker.number] = self._events.run_view(worker.number)
        return self._run_views[worker.number]

    def _announce_start(self, worker: Worker, work: WorkItem) -> None:
        """Report that a run has begun, once per run."""
        if work.name not in self._announced:
            self._announced.add(work.name)
            self._run_view(worker).run_started(work.name, len(self._announced), len(self._cells))

    def _handle_reports(self) -> None:
        """Wait up to WATCH_SECONDS for a report, and handle all that have come."""
        with suppress(queue.Empty):
            self._handle_report(*self._inbox.get(timeout=WATCH_SECONDS))
            while True:
                self._handle_report(*self._inbox.get_nowait())

    def _handle_report(self, worker: Worker, report: list[Any] | None) -> None:
        view = self._run_view(worker)
        match report:
            case None:
                self._handle_exit(worker)
            case ["note" | "warning" as kind, text] if text in self._shown_messages:
                assert kind
            case ["note" | "warning" as kind, text]:
                self._shown_messages.add(text)
                getattr(view, kind)(text)
            case ["memory", peak] if worker.assignment is not None:
                self._packing.record_peak(worker.assignment.kind, peak)
            case ["began"] if worker.assignment is not None:
                self._announce_start(worker, worker.assignment.work)
            case ["prepared"]:
                self._queue.complete(self._unassign(worker).work)
            case ["held"]:
                self._queue.put_back(self._unassign(worker).work)
                self._retry_at = min(self._retry_at, time.monotonic() + POLL_SECONDS)
            case ["ended", kind, status, score, seconds]:
                self._finish_run(worker, self._unassign(worker).work, kind, status, score, seconds)
            case ["refused", message, hint]:
                self._unassign(worker)
                raise ResultsError(message, hint=hint)
            case ["stopped", text] if text:
                self._events.note(text)
            case ["detail" | "stage" | "progress" | "evaluated" as kind, *values]:
                getattr(view, kind)(*values)

    def _unassign(self, worker: Worker) -> Assignment:
        """Mark the worker as idle, and return what it was assigned."""
        assignment = worker.assignment
        assert assignment is not None
        worker.assignment = None
        self._packing.end(assignment.slot, assignment.kind)
        return assignment

    def _finish_run(
        self,
        worker: Worker,
        work: WorkItem,
        kind: ExitKind,
        status: str,
        score: float | None,
        seconds: float,
    ) -> None:
        self._announce_start(worker, work)  # a worker that died early has not reported the start
        self._tally.count(kind)
        self._queue.complete(work)
        self._run_view(worker).run_finished(work.name, status, score, seconds)

    def _handle_exit(self, worker: Worker) -> None:
        """Remove a worker that has ended, and record its run as failed; more work starts another worker."""
        self._workers.remove(worker)
        assignment = self._unassign(worker) if worker.assignment is not None else None
        worker.close()
        if assignment is None:
            return
        work = assignment.work
        if work.method == TEACHERS:
            self._events.warning(f"{work.name}: {worker.exit_reason()}")
            self._queue.complete(work)  # the first run that needs the teacher trains it again
            return
        cell, seconds = self._cells[work.name], time.perf_counter() - assignment.since
        if self._store.has(cell.run_id):  # the worker died after recording the run
            record = self._store.read(cell.run_id)
            score = record.task_score.last if record.task_score else None
            self._finish_run(worker, work, "trained", record.status, score, seconds)
            return
        reason = worker.exit_reason()
        self._events.warning(f"{cell.label}: {reason}")
        command = self._study.request.command
        record = recording.failed_record(cell, self._grid, reason, seconds, command)
        self._store.write(record, study=self._settings)
        self._finish_run(worker, work, "failed", "failed", None, seconds)

    def _stop_all(self) -> int:
        """Have every worker save its run, wait for them, and return how many runs were under way."""
        stopping = self._busy_workers
        for worker in stopping:
            worker.stop()
        while self._busy_workers:
            worker, report = self._inbox.get()
            if report is None:
                self._workers.remove(worker)
                worker.assignment = None
                worker.close()
                worker.remove_log()
            elif report[0] in ("stopped", "ended", "held"):
                self._handle_report(worker, report)
        return len(stopping)
