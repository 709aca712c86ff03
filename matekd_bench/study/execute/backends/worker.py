"""A worker process: trains the runs it is told to, one at a time, and reports to the process that started it.

Orders come as lines of JSON on stdin, the study first; reports go as lines of JSON to stdout, anything else that is
printed to stderr. When stdin ends the worker saves what is under way and stops.
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
from matekd_bench.errors import ResultsError
from matekd_bench.files.network import offline
from matekd_bench.plugins.host import Host
from matekd_bench.results.records.run_record import Tuning
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.events import NoEvents
from matekd_bench.study.execute.backends.in_process import LocalExecutor, RunExit, Saved
from matekd_bench.study.execute.interrupts import Interruptions, StoppedError
from matekd_bench.study.plan.grid import Cell, Grid
from matekd_bench.study.plan.grid_lookup import GridLookup
from matekd_bench.study.spec.request import StudyRequest
from matekd_bench.study.spec.study_spec import study_spec

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class WorkerStudy:
    """What a worker has to know to make the cells of a study again."""

    request: StudyRequest
    plugins: tuple[Path, ...] = ()
    only_builtin: bool = False
    fetching: str | None = None  # where no other machine may be asked: the command that gets what is missing

    def to_json(self) -> str:
        """One line of ASCII: the ends of a pipe may differ in encoding, and paths may hold any bytes."""
        return json.dumps(TypeAdapter(WorkerStudy).dump_python(self, mode="json"))

    @classmethod
    def from_json(cls, text: str) -> WorkerStudy:
        """What :meth:`to_json` wrote."""
        return TypeAdapter(WorkerStudy).validate_python(json.loads(text))


class WorkerSession:
    """A study at work in a process that is told what to do: makes the grid of a task when it comes up."""

    def __init__(
        self, study: WorkerStudy, store: ResultsStore, events: WorkerReports, interruptions: Interruptions,
        saved: Saved = lambda update, folder: None,
    ) -> None:  # fmt: skip
        self._study, self._store, self._saved = study, store, saved
        self._events, self._interruptions = events, interruptions
        self._host = Host.load(study.plugins, only_builtin=study.only_builtin)
        self._spec = study_spec(study.request, self._host)
        self._task: str | None = None
        self._roster: GridLookup | None = None
        self._local: LocalExecutor | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """Within it the process works as the study asks: offline, with kernels that repeat."""
        network = nullcontext() if self._study.fetching is None else offline(self._study.fetching)
        with network, deterministic_kernels(self._spec.deterministic):
            yield

    def _on(self, task: str) -> GridLookup:
        """The task's part of the study; what belongs to another task is let go of."""
        if self._task != task or self._roster is None:
            self._roster = self._local = None
            request = replace(self._study.request, tasks=task)
            self._roster = GridLookup.of(
                study_spec(request, self._host), request, self._host, self._events.stage
            )
            self._task = task
        return self._roster

    def _at(self, task: str, run_id: str, tuning: Tuning | None = None) -> tuple[Grid, Cell, LocalExecutor]:
        """A run, the grid that it belongs to, and who trains it."""
        grid, cell = self._on(task).find(run_id, tuning)
        if self._local is None or self._local.grid is not grid:
            store, command = self.store(task, run_id), self._study.request.command
            self._local = LocalExecutor(
                grid, store, self._events, command, self._interruptions, saved=self._saved
            )
        return grid, cell, self._local

    def store(self, task: str, run_id: str) -> ResultsStore:
        """Where a run is recorded: trials have a folder of their own."""
        return ResultsStore(self._on(task).root(run_id, self._store.root))

    def prepare(self, task: str, run_id: str) -> None:
        """Makes what a run shares with all on its task: teacher, its logits and, where one needs it, the generator."""
        grid, cell, local = self._at(task, run_id)
        assets = local.assets(cell)
        try:
            _ = assets.train
            if any("generator" in other.job.method.needs for other in grid.cells):
                _ = assets.generator
        except PausedError as paused:
            raise self._interruptions.stopped(f"stopped; {paused.what} is saved as far as it came.") from None
        self._interruptions.calm()

    def take(self, task: str, run_id: str, tuning: Tuning | None = None) -> RunExit | None:
        """Trains and records one run; None where another process has it."""
        _, cell, local = self._at(task, run_id, tuning)
        self._events.device = cell.recipe.device
        ended = local.take(cell)
        free_cached_memory(cell.recipe.device)  # others share the device
        return ended


class WorkerReports(NoEvents):
    """Events as lines of JSON; after every evaluation also the memory taken so far."""

    device: torch.device | None = None

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def report(self, kind: str, *values: Any) -> None:
        """One line; whoever should read it may be gone."""
        try:
            self._stream.write(json.dumps([kind, *values]) + "\n")
            self._stream.flush()
        except (BrokenPipeError, ValueError):
            pass

    def note(self, text: str) -> None:
        """Passed on."""
        self.report("note", text)

    def detail(self, text: str) -> None:
        """Passed on."""
        self.report("detail", text)

    def warning(self, text: str) -> None:
        """Passed on."""
        self.report("warning", text)

    def stage(self, text: str) -> None:
        """Passed on."""
        self.report("stage", text)

    def progress(self, done: int, limit: int, loss: float | None, seconds_left: float | None) -> None:
        """Passed on."""
        self.report("progress", done, limit, loss, seconds_left)

    def run_started(self, label: str, position: int, total: int) -> None:
        """That it has begun; which of how many it is, only the other process knows."""
        self.report("began")

    def evaluated(self, evaluation: int, evaluations: int, score: float) -> None:
        """Passed on, with the memory that the run has taken so far."""
        self.report("evaluated", evaluation, evaluations, score)
        if self.device is not None and (peak := peak_memory(self.device)) is not None:
            self.report("memory", peak)


def serve(orders: TextIO, reports: TextIO) -> int:
    """Obeys until the orders end or a signal comes; returns the exit code."""
    study = WorkerStudy.from_json(orders.readline())
    events = WorkerReports(reports)
    todo: queue.Queue[list[Any] | None] = queue.Queue()
    with ExitStack() as stack:
        interruptions = stack.enter_context(Interruptions())
        desk = WorkerSession(study, ResultsStore(study.request.results), events, interruptions)
        stack.enter_context(desk.open())
        busy = threading.Event()
        threading.Thread(target=_listen, args=(orders, todo, busy), daemon=True).start()
        try:
            while (order := todo.get()) is not None:
                busy.set()
                _obey(desk, order, events)
                busy.clear()
        except StoppedError as stopped:
            events.report("stopped", str(stopped))
            return stopped.exit_code
        except ResultsError as error:  # no run can be kept here: the study ends, as it would in one process
            events.report("refused", error.message, error.hint)
            return error.exit_code
    return 0


def _obey(desk: WorkerSession, order: list[Any], events: WorkerReports) -> None:
    match order:
        case ["prepare", task, run_id, _]:
            try:
                desk.prepare(task, run_id)
            except ResultsError:
                raise
            except Exception as error:  # each run of the task will meet it again, and is recorded with it
                events.report("detail", f"preparing {task}: {type(error).__name__}: {error}")
            events.report("prepared")
        case ["train", task, run_id, tuning]:
            ended = desk.take(task, run_id, tuning and Tuning.model_validate(tuning))
            if ended is None:
                events.report("held")
            else:
                events.report("ended", ended.how, ended.status, ended.score, ended.seconds)


def _listen(orders: TextIO, todo: queue.Queue[list[Any] | None], busy: threading.Event) -> None:
    """Takes orders down; where they end in the middle of a run, whoever gave them is gone: stop as if asked to."""
    for line in orders:
        todo.put(json.loads(line))
    todo.put(None)
    if busy.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    """Reports go where stdout went; what libraries print must not get among them."""
    reports = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return serve(sys.stdin, reports)


if __name__ == "__main__":
    sys.exit(main())
