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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import torch
from pydantic import TypeAdapter

from matekd_bench.distill.device import peak_memory
from matekd_bench.plugins.host import Host
from matekd_bench.results.store import ResultsStore
from matekd_bench.study.events import NoEvents
from matekd_bench.study.executor import Ended, LocalExecutor, Saved
from matekd_bench.study.grid import Cell, Grid, make_grid
from matekd_bench.study.interrupts import Interruptions, StoppedError
from matekd_bench.study.request import StudyRequest
from matekd_bench.study.spec import study_spec


@dataclass(frozen=True)
class Study:
    """What a worker has to know to make the cells of a study again."""

    request: StudyRequest
    plugins: tuple[Path, ...] = ()
    only_builtin: bool = False

    def to_json(self) -> str:
        """As one line."""
        return TypeAdapter(Study).dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Study:
        """What :meth:`to_json` wrote."""
        return TypeAdapter(Study).validate_json(text)


class Desk:
    """A study at work in a process that is told what to do: makes the grid of a task when it comes up."""

    def __init__(
        self, study: Study, store: ResultsStore, events: Reports, interruptions: Interruptions,
        saved: Saved = lambda update, folder: None,
    ) -> None:  # fmt: skip
        self._study, self._store, self._saved = study, store, saved
        self._events, self._interruptions = events, interruptions
        self._host = Host.load(study.plugins, only_builtin=study.only_builtin)
        self._task: str | None = None
        self._grid: Grid | None = None
        self._local: LocalExecutor | None = None

    def _at(self, task: str) -> tuple[Grid, LocalExecutor]:
        """The task's part of the grid and who trains it; what belongs to another task is let go of."""
        if self._task != task or self._grid is None or self._local is None:
            self._local = self._grid = None
            request = replace(self._study.request, tasks=task)
            self._grid = make_grid(study_spec(request), request, self._host, self._events.stage)
            self._local = LocalExecutor(
                self._grid, self._store, self._events, request.command, self._interruptions, saved=self._saved
            )
            self._task = task
        return self._grid, self._local

    def prepare(self, task: str) -> None:
        """Makes what all runs of a task share: teacher, its logits and, where a method needs it, the generator."""
        grid, local = self._at(task)
        assets = local.assets(grid.cells[0])
        _ = assets.train
        if any("generator" in cell.job.method.needs for cell in grid.cells):
            _ = assets.generator

    def take(self, task: str, run_id: str) -> Ended | None:
        """Trains and records one run; None where another process has it."""
        grid, local = self._at(task)
        cell = self._cell(grid, run_id)
        self._events.device = cell.recipe.device
        ended = local.take(cell)
        if cell.recipe.device.type == "cuda":
            torch.cuda.empty_cache()  # others share the device
        return ended

    @staticmethod
    def _cell(grid: Grid, run_id: str) -> Cell:
        for cell in grid.cells:
            if cell.run_id == run_id:
                return cell
        raise RuntimeError(
            f"run '{run_id}' is not in the grid that this worker makes: versions, data or models differ here"
        )


class Reports(NoEvents):
    """Events as lines of JSON; after every look also the memory taken so far."""

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

    def look_done(self, look: int, looks: int, score: float) -> None:
        """Passed on, with the memory that the run has taken so far."""
        self.report("look_done", look, looks, score)
        if self.device is not None and (peak := peak_memory(self.device)) is not None:
            self.report("memory", peak)


def serve(orders: TextIO, reports: TextIO) -> int:
    """Obeys until the orders end or a signal comes; returns the exit code."""
    study = Study.from_json(orders.readline())
    events = Reports(reports)
    todo: queue.Queue[list[str] | None] = queue.Queue()
    with Interruptions() as interruptions:
        desk = Desk(study, ResultsStore(study.request.results), events, interruptions)
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
    return 0


def _obey(desk: Desk, order: list[str], events: Reports) -> None:
    match order:
        case ["prepare", task]:
            try:
                desk.prepare(task)
            except Exception as error:  # each run of the task will meet it again, and is recorded with it
                events.report("detail", f"preparing {task}: {type(error).__name__}: {error}")
            events.report("prepared")
        case ["train", task, run_id]:
            ended = desk.take(task, run_id)
            if ended is None:
                events.report("held")
            else:
                events.report("ended", ended.how, ended.status, ended.score, ended.seconds)


def _listen(orders: TextIO, todo: queue.Queue[list[str] | None], busy: threading.Event) -> None:
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
