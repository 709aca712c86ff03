"""Runs a worker process, which trains the runs that another process orders, one at a time, and reports to it.

Orders are lines of JSON on stdin, after a first line with the study. Reports are lines of JSON on stdout; everything
else that is printed goes to stderr. When stdin ends, the worker saves the run under way and stops.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pydantic import TypeAdapter

from matekd_bench.distill.device import deterministic_kernels, free_cached_memory, peak_memory
from matekd_bench.distill.training.resume import PausedError
from matekd_bench.errors import ResultsError, one_line
from matekd_bench.files.network import offline
from matekd_bench.plugins.host import Host
from matekd_bench.results.records.run_record import Tuning
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.events import NoEvents
from matekd_bench.study.execute.backends.in_process import LocalExecutor, OnCheckpoint, RunExit
from matekd_bench.study.execute.interrupts import Interruptions, StoppedError
from matekd_bench.study.plan.grid import Cell, Grid
from matekd_bench.study.plan.grid_lookup import GridLookup
from matekd_bench.study.spec.request import StudyRequest
from matekd_bench.study.spec.study_spec import study_spec

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class WorkerStudy:
    """The description of a study from which another process makes the same cells.

    `plugins` are the plugin files, `only_builtin` excludes installed plugins. `fetching` is set if the study runs
    offline: it is the command that downloads what is missing.
    """

    request: StudyRequest
    plugins: tuple[Path, ...] = ()
    only_builtin: bool = False
    fetching: str | None = None

    def to_json(self) -> str:
        """Return one line of ASCII JSON.

        ASCII is safe where the two ends of a pipe differ in encoding, and for paths with any bytes.
        """
        return json.dumps(TypeAdapter(WorkerStudy).dump_python(self, mode="json"))

    @classmethod
    def from_json(cls, text: str) -> WorkerStudy:
        """Parse a line that :meth:`to_json` wrote."""
        return TypeAdapter(WorkerStudy).validate_python(json.loads(text))


class WorkerSession:
    """A study in a process that receives orders.

    It makes the grid of a task at the first order for the task, and keeps one task at a time.
    """

    def __init__(
        self, study: WorkerStudy, store: ResultsStore, events: WorkerReports, interruptions: Interruptions,
        on_checkpoint: OnCheckpoint = lambda update, folder: None,
    ) -> None:  # fmt: skip
        self._study, self._store, self._on_checkpoint = study, store, on_checkpoint
        self._events, self._interruptions = events, interruptions
        self._host = Host.load(study.plugins, only_builtin=study.only_builtin)
        self._spec = study_spec(study.request, self._host)
        self._task: str | None = None
        self._lookup: GridLookup | None = None
        self._executor: LocalExecutor | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """Apply the study's process-wide settings within the block: offline mode and deterministic kernels."""
        network = nullcontext() if self._study.fetching is None else offline(self._study.fetching)
        with network, deterministic_kernels(self._spec.deterministic):
            yield

    def _lookup_for(self, task: str) -> GridLookup:
        """Return the cells of the task, made at the first call; those of the previous task are dropped."""
        if self._task != task or self._lookup is None:
            self._lookup = self._executor = None
            request = replace(self._study.request, tasks=task)
            self._lookup = GridLookup.build(
                study_spec(request, self._host), request, self._host, self._events.stage
            )
            self._task = task
        return self._lookup

    def _locate(
        self, task: str, run_id: str, tuning: Tuning | None = None
    ) -> tuple[Grid, Cell, LocalExecutor]:
        """Return the grid and the cell of a run, and the executor that trains it."""
        grid, cell = self._lookup_for(task).find(run_id, tuning)
        if self._executor is None or self._executor.grid is not grid:
            store, command = self.store(task, run_id), self._study.request.command
            self._executor = LocalExecutor(
                grid, store, self._events, command, self._interruptions, on_checkpoint=self._on_checkpoint
            )
        return grid, cell, self._executor

    def store(self, task: str, run_id: str) -> ResultsStore:
        """Return the store that a run is recorded in; tuning trials have a folder of their own."""
        return ResultsStore(self._lookup_for(task).results_folder(run_id, self._store.root))

    def prepare(self, task: str, run_id: str) -> None:
        """Make what the runs on a task share: teacher, its logits and, if a run needs it, the generator."""
        grid, cell, executor = self._locate(task, run_id)
        assets = executor.assets(cell)
        try:
            _ = assets.train  # a cached property: reading it makes the teacher and its logits
            if any("generator" in other.job.method.needs for other in grid.cells):
                _ = assets.generator
        except PausedError as paused:
            raise self._interruptions.stopped_error(
                f"stopped; {paused.what} is saved as far as it came."
            ) from None
        self._interruptions.end_deferral()

    def train(self, task: str, run_id: str, tuning: Tuning | None = None) -> RunExit | None:
        """Train and record one run; return None if another process holds it."""
        _, cell, executor = self._locate(task, run_id, tuning)
        self._events.device = cell.recipe.device
        run_exit = executor.run_cell(cell)
        free_cached_memory(cell.recipe.device)  # other workers share the device
        return run_exit


class WorkerReports(NoEvents):
    """A watcher that writes events as lines of JSON, and the peak memory after every evaluation.

    `device` is that of the current run.
    """

    device: torch.device | None = None

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def report(self, kind: str, *values: Any) -> None:
        """Write one line; do nothing if the reader is gone."""
        try:
            self._stream.write(json.dumps([kind, *values]) + "\n")
            self._stream.flush()
        except (BrokenPipeError, ValueError):
            pass

    def note(self, text: str) -> None:
        """Report the text."""
        self.report("note", text)

    def detail(self, text: str) -> None:
        """Report the text."""
        self.report("detail", text)

    def warning(self, text: str) -> None:
        """Report the text."""
        self.report("warning", text)

    def stage(self, text: str) -> None:
        """Report the text."""
        self.report("stage", text)

    def progress(self, done: int, limit: int, loss: float | None, seconds_left: float | None) -> None:
        """Report the progress."""
        self.report("progress", done, limit, loss, seconds_left)

    def run_started(self, label: str, position: int, total: int) -> None:
        """Report that the run has begun, without its position: only the other process knows it."""
        self.report("began")

    def evaluated(self, evaluation: int, evaluations: int, score: float) -> None:
        """Report the evaluation and the run's peak memory so far."""
        self.report("evaluated", evaluation, evaluations, score)
        if self.device is not None and (peak := peak_memory(self.device)) is not None:
            self.report("memory", peak)


def serve(orders: TextIO, reports: TextIO) -> int:
    """Execute orders until they end or a signal comes; return the exit code."""
    study = WorkerStudy.from_json(orders.readline())
    events = WorkerReports(reports)
    order_queue: queue.Queue[list[Any] | None] = queue.Queue()
    with ExitStack() as stack:
        interruptions = stack.enter_context(Interruptions())
        session = WorkerSession(study, ResultsStore(study.request.results), events, interruptions)
        stack.enter_context(session.open())
        busy = threading.Event()
        threading.Thread(target=_read_orders, args=(orders, order_queue, busy), daemon=True).start()
        try:
            while (order := order_queue.get()) is not None:
                busy.set()
                _execute_order(session, order, events)
                busy.clear()
        except StoppedError as stopped:
            events.report("stopped", str(stopped))
            return stopped.exit_code
        except ResultsError as error:  # no run can be recorded: the study ends, as it would in one process
            events.report("refused", error.message, error.hint)
            return error.exit_code
    return 0


def _execute_order(session: WorkerSession, order: list[Any], events: WorkerReports) -> None:
    match order:
        case ["prepare", task, run_id, _]:
            try:
                session.prepare(task, run_id)
            except ResultsError:
                raise
            except Exception as error:  # each run of the task raises it again, and is recorded as failed
                events.report("detail", f"preparing {task}: {one_line(error)}")
            events.report("prepared")
        case ["train", task, run_id, tuning]:
            run_exit = session.train(task, run_id, tuning and Tuning.model_validate(tuning))
            if run_exit is None:
                events.report("held")
            else:
                events.report("ended", run_exit.kind, run_exit.status, run_exit.score, run_exit.seconds)


def _read_orders(orders: TextIO, order_queue: queue.Queue[list[Any] | None], busy: threading.Event) -> None:
    """Put orders into the queue, and None at their end.

    If they end while an order is executed, the other process is gone: SIGTERM then has the run saved.
    """
    for line in orders:
        order_queue.put(json.loads(line))
    order_queue.put(None)
    if busy.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    """Serve the process at the other end of stdin and stdout."""
    # Reports get the original stdout; what libraries print to stdout goes to stderr and cannot mix with them.
    reports = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return serve(sys.stdin, reports)


if __name__ == "__main__":
    sys.exit(main())
