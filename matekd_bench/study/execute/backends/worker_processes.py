"""Executes orders in worker processes on this machine, several at a time, each pinned to a device."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from matekd_bench.errors import ResultsError
from matekd_bench.events import Event, Message, Sink
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.under_way import PARTIAL
from matekd_bench.study.execute.backends.worker_handle import Assignment, Report, Worker, WorkerGroup
from matekd_bench.study.execute.device_slots import DeviceSlot, Kind, SlotPacking
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.orders import Order, OrderEnd
from matekd_bench.study.execute.study_session import SharedStudy
from matekd_bench.study.plan.estimate import plan_work
from matekd_bench.study.plan.grid import Cell
from matekd_bench.study.plan.work_items import WorkItem

WATCH_SECONDS = 0.5  # between two checks whether a signal has come


class WorkerProcesses:
    """A backend of worker processes: at most `jobs` at a time, each with `threads` CPU threads.

    After a signal every worker saves its run. The workers belong to `group`, whose owner dismisses them. After an error
    they are dismissed here.
    """

    def __init__(
        self, study: SharedStudy, store: ResultsStore, interruptions: Interruptions,
        *, group: WorkerGroup, jobs: int, threads: int, slots: Sequence[DeviceSlot],
    ) -> None:  # fmt: skip
        self._study, self._store, self._interruptions = study, store, interruptions
        self._group, self._threads = group, threads
        self._packing = SlotPacking(slots, jobs)

    @contextmanager
    def open(self, cells: Sequence[Cell], sink: Sink) -> Iterator[None]:
        """Execute orders for `cells`; dismiss the workers after an error."""
        self._cells, self._sink = cells, sink
        self._interruptions.stop_requested()  # defers signals: the scheduler makes the workers save their runs
        try:
            yield
        except ResultsError:
            self.stop()
            self._group.dismiss()
            raise
        except BaseException:
            self._group.dismiss()
            raise

    def work(self) -> list[WorkItem]:
        """Return the runs, and the teachers and generators that must be made before them."""
        return plan_work(self._cells, self._store.records()).items

    def has_room(self, work: WorkItem) -> bool:
        """Return True if a device has room for an item of this kind."""
        return self._packing.slot_for(_kind_of(work, work.method)) is not None

    @property
    def preferred_task(self) -> str | None:
        """The task that an idle worker has loaded."""
        return next((worker.task for worker in self._group.workers if worker.assignment is None), None)

    def start(self, order: Order) -> None:
        """Send an order to a worker on a device with room."""
        kind = _kind_of(order, self._variant(order.run_id))
        slot = self._packing.slot_for(kind)
        assert slot is not None
        self._packing.begin(slot, kind)
        self._worker_on(slot, order.task).assign(Assignment(order, kind, slot, time.perf_counter()))

    def _variant(self, run_id: str) -> str:
        return next(cell.job.variant for cell in self._cells if cell.run_id == run_id)

    def _worker_on(self, slot: DeviceSlot, task: str) -> Worker:
        """Return an idle worker on the device, preferably one with the task's data loaded; else start one."""
        workers = self._group.workers
        idle = [worker for worker in workers if worker.assignment is None and worker.slot == slot]
        if idle:
            return min(idle, key=lambda worker: worker.task != task)
        taken = {worker.number for worker in workers}
        number = next(number for number in range(1, len(taken) + 2) if number not in taken)
        logs = self._store.runs / PARTIAL
        worker = Worker(number, slot, self._study, self._threads, logs, self._group.inbox)
        workers.append(worker)
        return worker

    def wait(self) -> list[OrderEnd]:
        """Wait for a report, then handle all reports that have arrived."""
        ends: list[OrderEnd] = []
        timeout = WATCH_SECONDS
        while True:
            try:
                worker, report = self._group.inbox.get(timeout=timeout)
            except queue.Empty:
                return ends
            timeout = 0.0
            if isinstance(report, Event):
                self._sink.emit(report)
            else:
                ends += self._handle(worker, report)

    def _handle(self, worker: Worker, report: Report) -> list[OrderEnd]:
        """Handle a report that is not an event; return the order that it ends, if any."""
        match report:
            case OrderEnd():
                self._unassign(worker)
                if report.device_lost:
                    worker.close()  # its exit is the next report, after which a new worker replaces it
                    worker.remove_log()
                return [report]
            case ResultsError():
                self._unassign(worker)
                raise report
            case int() if worker.assignment is not None:
                self._packing.record_peak(worker.assignment.kind, report)
            case str() if report:
                self._sink.emit(Message(kind="note", text=report))
            case None:
                return self._handle_exit(worker)
        return []

    def _unassign(self, worker: Worker) -> Assignment:
        """Mark the worker as idle, and return its assignment."""
        assignment = worker.assignment
        assert assignment is not None
        worker.assignment = None
        self._packing.end(assignment.slot, assignment.kind)
        return assignment

    def _handle_exit(self, worker: Worker) -> list[OrderEnd]:
        """Remove a worker that has ended; its order is lost."""
        self._group.workers.remove(worker)
        assignment = self._unassign(worker) if worker.assignment is not None else None
        worker.close()
        if assignment is None:
            return []
        seconds = time.perf_counter() - assignment.since
        return [OrderEnd(assignment.order, "lost", seconds=seconds, reason=worker.exit_reason())]

    def stop(self) -> list[OrderEnd]:
        """Make every worker save its run and end; return the orders that ended in the meantime."""
        busy = [worker for worker in self._group.workers if worker.assignment is not None]
        for worker in busy:
            worker.stop()
        ends: list[OrderEnd] = []
        while any(worker.assignment is not None for worker in self._group.workers):
            worker, report = self._group.inbox.get()
            if report is None:
                self._group.workers.remove(worker)
                worker.assignment = None
                worker.close()
                worker.remove_log()
            elif isinstance(report, OrderEnd) or (isinstance(report, str) and report):
                ends += self._handle(worker, report)
        return ends

    def forget(self, task: str) -> None:
        """Do nothing: a worker holds only one task at a time."""


def _kind_of(item: WorkItem | Order, method: str) -> Kind:
    return Kind("", item.id) if item.prepares else Kind(method, item.task)
