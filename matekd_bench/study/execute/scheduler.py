"""The scheduler of all runs: gives orders to a backend, counts and records how they end, and stops the study."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from matekd_bench.errors import ResultsError
from matekd_bench.events import Event, Message, Prepared, RunFinished, RunStarted, Sink, StudyFinished
from matekd_bench.results.records.run_record import to_json
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.execute import recording
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.orders import Backend, EndKind, Order, OrderEnd, run_started
from matekd_bench.study.execute.work_queue import WorkQueue
from matekd_bench.study.plan.estimate import uses_generator
from matekd_bench.study.plan.grid import Cell, Grid
from matekd_bench.study.plan.work_items import WorkItem


class Scheduler(Sink):
    """A scheduler of the runs of one grid, which identifies everything by run id.

    It receives all events of the runs and passes them on to `sinks`. A run whose process or node is lost is recorded as
    failed, and the others continue. With `fail_fast` the study stops after the first run that fails.
    """

    def __init__(
        self,
        grid: Grid,
        store: ResultsStore,
        sinks: Sequence[Sink],
        backend: Backend,
        interruptions: Interruptions,
        *,
        command: str,
        fail_fast: bool = False,
    ) -> None:
        self._grid, self._store, self._sinks, self._backend = grid, store, sinks, backend
        self._interruptions, self._command, self._fail_fast = interruptions, command, fail_fast
        self._cells: dict[str, Cell] = {}
        self._items: dict[str, WorkItem] = {}  # items in progress, by id
        self._started: set[str] = set()
        self._shown: set[str] = set()
        self._counts: Counter[EndKind] = Counter()

    def run(self, cells: Sequence[Cell]) -> StudyFinished:
        """Train and record every cell, and count how they ended.

        Cells that another process records in the meantime count as skipped.

        Raises StoppedError after a signal, once the current runs are saved, and ResultsError if no run can be recorded.
        """
        if not cells:
            return StudyFinished(status="done")
        left = 0
        self._cells = {cell.run_id: cell for cell in cells}
        with self._backend.open(cells, self):
            self._queue = WorkQueue(self._backend.work(), self._grid.reference)
            while len(self._queue) or self._items:
                self._start_work()
                self._handle(self._backend.wait())
                if self._interruptions.received:
                    self._handle(self._backend.stop())
                    raise self._interruptions.stopped_error("stopped; run the same command to resume.")
                if self._fail_fast and self._counts["failed"]:
                    self._handle(self._backend.stop())
                    left = len(self._queue) + sum(not item.prepares for item in self._items.values())
                    break
        counts = self._counts
        return StudyFinished(
            status="done",
            trained=counts["trained"],
            skipped=counts["elsewhere"],
            failed=counts["failed"],
            left=left,
        )

    def emit(self, event: Event) -> None:
        """Pass on an event of a run; report each start, note and warning once."""
        if isinstance(event, Message) and event.kind in ("note", "warning"):
            if event.text in self._shown:
                return
            self._shown.add(event.text)
        if isinstance(event, RunStarted):
            if event.run_id in self._started:
                return
            self._started.add(event.run_id)
            event = replace(event, position=len(self._started), total=len(self._cells))
        for sink in self._sinks:
            sink.emit(event)

    def _start_work(self) -> None:
        """Start work as long as the backend has room for it."""
        while (item := self._queue.take(self._backend.has_room, self._backend.preferred_task)) is not None:
            self._items[item.id] = item
            self._backend.start(self._order(item))

    def _order(self, item: WorkItem) -> Order:
        cell = self._reporter(item) if item.prepares else self._cells[item.id]
        return Order(item.id, item.task, cell.run_id, cell.tuning, bool(cell.trial), item.prepares)

    def _reporter(self, item: WorkItem) -> Cell:
        """Return the cell under whose run id a preparation reports: for a generator the last that it is made for.

        A teacher reports under the first of its task, since both may be made at the same time.
        """
        cells = [cell for cell in self._cells.values() if cell.data.task.name == item.task]
        return (
            cells[0] if "teacher" in item.prepares else [cell for cell in cells if uses_generator(cell)][-1]
        )

    def _handle(self, ends: Sequence[OrderEnd]) -> None:
        for end in ends:
            item = self._items.pop(end.order.id)
            if end.kind == "held":
                self._queue.put_back(item)
            elif end.kind == "lost":
                self._handle_loss(item, end)
            elif end.kind == "prepared":
                self._complete_preparation(item, end)
            else:
                self._finish(end)

    def _handle_loss(self, item: WorkItem, end: OrderEnd) -> None:
        """Record a run whose process or node is lost as failed, unless it already has a record."""
        if item.prepares:
            self.emit(Message(kind="warning", text=f"{item.id}: {end.reason}"))
            self._complete_preparation(item, end)  # the first run that needs it prepares it again
            return
        cell = self._cells[end.order.run_id]
        if self._store.has(cell.run_id):
            record = self._store.read(cell.run_id)
            self._finish(replace(end, kind="trained", status=record.status, score=record.last_score))
            return
        self.emit(Message(kind="warning", text=f"{cell.label}: {end.reason}", run_id=cell.run_id))
        record = recording.failed_record(cell, self._grid, end.reason, end.seconds, self._command)
        self._store.write(record, study=self._grid.spec.model_dump(mode="json"))
        self._finish(replace(end, kind="failed", status="failed", score=None))

    def _complete_preparation(self, item: WorkItem, end: OrderEnd) -> None:
        self._queue.complete(item.id)
        self.emit(Prepared(run_id=end.order.run_id))

    def _finish(self, end: OrderEnd) -> None:
        """Count a run that has ended, and report its end."""
        run_id = end.order.run_id
        self.emit(run_started(self._cells[run_id]))  # a worker that died early has not reported the start
        self._counts[end.kind] += 1
        self._queue.complete(run_id)
        self.emit(
            RunFinished(
                run_id=run_id, status=end.status, score=end.score, seconds=end.seconds,
                record=self._record_as_json(run_id),
            )
        )  # fmt: skip
        task = end.order.task
        if not self._queue.needs(task) and all(item.task != task for item in self._items.values()):
            self._backend.forget(task)

    def _record_as_json(self, run_id: str) -> dict[str, Any]:
        """Return the record of a run as JSON data; empty if it cannot be read."""
        try:
            return dict(json.loads(to_json(self._store.read(run_id))))
        except ResultsError:
            return {}
