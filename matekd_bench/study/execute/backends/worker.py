"""Runs a worker process, which executes another process's orders, one at a time, and reports to it.

Orders are lines of JSON on stdin, after a first line with the study. Events and the ends of orders are lines of JSON
on stdout; everything else that is printed goes to stderr. When stdin ends, the worker saves its run and stops.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from contextlib import ExitStack
from typing import Any, TextIO

import torch
from pydantic import TypeAdapter

from matekd_bench.distill.device import free_cached_memory, peak_memory, reset_peak_memory
from matekd_bench.errors import ResultsError, RunError, StoppedError
from matekd_bench.events import Evaluated, Event, Progress, RunStarted, Sink, as_json
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.orders import Order, OrderEnd
from matekd_bench.study.execute.runner import OnCheckpoint, Runner, RunSink
from matekd_bench.study.execute.study_session import SharedStudy, StudySession
from matekd_bench.study.plan.tuning import TRIALS_FOLDER

MEMORY_UPDATES = 32  # updates of a run, or of a teacher's fine-tuning, between two reports of memory


class RemoteRunner:
    """Executes the orders of a leading process, with a runner for the task and the grid of each order."""

    def __init__(
        self, session: StudySession, store: ResultsStore, sink: RunSink, interruptions: Interruptions,
        on_checkpoint: OnCheckpoint = lambda update, folder: None,
    ) -> None:  # fmt: skip
        self._session, self._store, self._sink = session, store, sink
        self._interruptions, self._on_checkpoint = interruptions, on_checkpoint
        self._runner: Runner | None = None

    def runner(self, order: Order) -> Runner:
        """Return the runner for an order; the last order's runner is reused if it has the same grid."""
        grid = self._session.grid(order.task, trial=order.trial)
        if self._runner is None or self._runner.grid is not grid:
            home = self._store.root / TRIALS_FOLDER if order.trial else self._store.root
            self._runner = Runner(
                grid, ResultsStore(home), self._sink, self._interruptions,
                command=self._session.study.request.command, on_checkpoint=self._on_checkpoint,
            )  # fmt: skip
        return self._runner

    def execute(self, order: Order) -> OrderEnd:
        """Execute an order and return its end."""
        self._sink.run_id = order.run_id  # the grid of another task is made for this run
        reset_peak_memory(
            self._session.device
        )  # memory of earlier orders does not count toward this one's peak
        try:
            return self.runner(order).execute(order)
        finally:
            free_cached_memory(self._session.device)  # other workers share the device


class WorkerSink(RunSink):
    """A sink that writes events as lines of JSON, and the peak memory of the process every MEMORY_UPDATES updates.

    This is soon enough for other runs to join on the device, and late enough to have seen batches of many lengths.
    """

    def __init__(self, stream: TextIO, device: torch.device | None = None) -> None:
        super().__init__(Sink())
        self._stream, self.device = stream, device
        self._updates = 0

    def emit(self, event: Event) -> None:
        """Write one line, and another about memory if it is due."""
        self.write(as_json(self.about_run(event)))
        self._updates = 0 if isinstance(event, RunStarted) else self._updates + isinstance(event, Progress)
        if self.device is not None and (self._updates >= MEMORY_UPDATES or isinstance(event, Evaluated)):
            self._updates = 0
            self.write({"memory": peak_memory(self.device)})

    def write(self, line: dict[str, Any]) -> None:
        """Write one line; do nothing if the reader is gone."""
        try:
            self._stream.write(json.dumps(line) + "\n")
            self._stream.flush()
        except (BrokenPipeError, ValueError):
            pass


def serve(orders: TextIO, reports: TextIO) -> int:
    """Execute orders until stdin ends or a signal comes; return the exit code."""
    study = SharedStudy.from_json(orders.readline())
    sink = WorkerSink(reports)
    order_queue: queue.Queue[Order | None] = queue.Queue()
    with ExitStack() as stack:
        interruptions = stack.enter_context(Interruptions())
        session = StudySession(study, sink)
        sink.device = session.device
        remote = RemoteRunner(session, ResultsStore(study.request.execution.results), sink, interruptions)
        stack.enter_context(session.open())
        busy = threading.Event()
        threading.Thread(target=_read_orders, args=(orders, order_queue, busy), daemon=True).start()
        try:
            while (order := order_queue.get()) is not None:
                busy.set()
                try:
                    end = remote.execute(order)
                except RunError as error:
                    # The run does not exist here, for example because a plugin was edited after planning.
                    end = OrderEnd(order, "lost", reason=str(error))
                finally:
                    busy.clear()
                sink.write({"end": TypeAdapter(OrderEnd).dump_python(end, mode="json")})
        except StoppedError as stopped:
            sink.write({"stopped": str(stopped)})
            return stopped.exit_code
        except (
            ResultsError
        ) as error:  # no run can be recorded: the study ends, as it would in a single process
            sink.write({"refused": [error.message, error.hint]})
            return error.exit_code
    return 0


def _read_orders(orders: TextIO, order_queue: queue.Queue[Order | None], busy: threading.Event) -> None:
    """Put orders into the queue, and None at their end.

    If stdin ends while an order is executed, the other process is gone. SIGTERM then makes the run save itself.
    """
    for line in orders:
        order_queue.put(TypeAdapter(Order).validate_json(line))
    order_queue.put(None)
    if busy.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    """Serve the process at the other end of stdin and stdout."""
    # Reports use the original stdout. What libraries print to stdout goes to stderr, so it cannot mix with the reports.
    reports = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return serve(sys.stdin, reports)


if __name__ == "__main__":
    sys.exit(main())
