"""Trains the runs of a study in this process, one after another, and shares them with other processes by locks."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from matekd_bench.distill.artifacts.kept_student import StudentCard, save_student
from matekd_bench.distill.artifacts.task_assets import TaskAssets
from matekd_bench.distill.models.networks import weights_digest
from matekd_bench.distill.student_run import train
from matekd_bench.distill.training.outcome import RunCallbacks
from matekd_bench.distill.training.resume import PausedError
from matekd_bench.errors import BenchError, ResultsError
from matekd_bench.results.records.run_record import Record, Tuning
from matekd_bench.results.store.kept_students import KeptStudents
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.under_way import RunUnderWay
from matekd_bench.study.events import Events
from matekd_bench.study.execute import recording
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.plan.grid import Cell, Grid

POLL_SECONDS = 2.0  # between two looks at what other processes train


Saved = Callable[[int, Path], None]  # told of every checkpoint: the update, and the folder it lies in
How = Literal["trained", "elsewhere", "failed"]


@dataclass
class Tally:
    """How many runs were trained here, recorded meanwhile by other processes, failed, and not begun."""

    trained: int = 0
    elsewhere: int = 0
    failed: int = 0
    left: int = 0

    @property
    def done(self) -> int:
        """How many came to an end, here or elsewhere."""
        return self.trained + self.elsewhere + self.failed

    def count(self, how: How) -> None:
        """One more has come to its end."""
        setattr(self, how, getattr(self, how) + 1)


@dataclass(frozen=True)
class RunExit:
    """How a run came to its end, with its status, score and seconds."""

    how: How
    status: str
    score: float | None
    seconds: float


@dataclass(frozen=True)
class RunAnnouncement:
    """What the process that leads tells the others of the run: its id, its tuning, and the tasks it keeps at hand."""

    run_id: str
    tuning: Tuning | None
    tasks: tuple[str, ...]


class LocalExecutor:
    """Trains runs one after another in this process; what the runs of a task share is made once.

    A run that another process holds is left to it and looked at again later. With `fail_fast` the first run that
    fails is the last.
    """

    def __init__(
        self, grid: Grid, store: ResultsStore, events: Events, command: str, interruptions: Interruptions,
        *, fail_fast: bool = False, saved: Saved = lambda update, folder: None,
    ) -> None:  # fmt: skip
        self._saved = saved
        self.grid = self._grid = grid
        self._store = store
        self._events = events
        self._command = command
        self._interruptions = interruptions
        self._fail_fast = fail_fast
        self._assets: dict[str, TaskAssets] = {}
        self._settings = grid.spec.model_dump(mode="json")
        self._noted: set[str] = set()
        self._waited: set[str] = set()

    def assets(self, cell: Cell) -> TaskAssets:
        """What the runs on this cell's task share."""
        name = cell.data.task.name
        if name not in self._assets:
            self._assets[name] = TaskAssets(
                cell.data,
                cell.recipe,
                stage=self._events.stage,
                progress=lambda done, limit, loss: self._events.progress(done, limit, loss, None),
                warn=self._events.warning,
                stopping=self._interruptions.asked,
            )
        return self._assets[name]

    def run(self, cells: Sequence[Cell]) -> Tally:
        """Trains and records every cell that no other process takes, and waits for those."""
        tally, pending = Tally(), list(cells)
        while pending:
            held: list[Cell] = []
            for at, cell in enumerate(pending):
                if (ended := self.take(cell, tally.done + 1, len(cells))) is None:
                    held.append(cell)
                    continue
                tally.count(ended.how)
                if tally.failed and self._fail_fast:
                    tally.left = len(held) + len(pending) - at - 1
                    return tally
                self._forget(cell, [*held, *pending[at + 1 :]])
            if len(held) == len(pending):
                time.sleep(POLL_SECONDS)
            pending = held
        return tally

    def take(self, cell: Cell, position: int = 1, total: int = 1) -> RunExit | None:
        """Trains and records the cell, or finds what another process made of it; None where one is still at it."""
        under_way = self._store.under_way(cell.run_id)
        if not under_way.acquire():
            if cell.run_id not in self._waited:
                self._events.note(f"{cell.label}: being trained by {under_way.holder()}")
                self._waited.add(cell.run_id)
            return None
        try:
            started, found = time.perf_counter(), self._elsewhere(cell)
            self._events.run_started(cell.label, position, total)
            status, score = self._one(cell, under_way) if found is None else _end(found)
            ended = RunExit(_how(status, found), status, score, time.perf_counter() - started)
            self._events.run_finished(cell.label, status, score, ended.seconds)
        finally:
            under_way.release(done=self._store.has(cell.run_id))
        self._interruptions.calm()
        return ended

    def _elsewhere(self, cell: Cell) -> Record | None:
        """The record that another process has written meanwhile; a failed one only where it was waited for."""
        done = self._store.has(cell.run_id)
        if not done and cell.run_id not in self._waited:
            return None
        try:
            found = self._store.read(cell.run_id)
        except ResultsError:  # it was waited for, and stopped without a record
            return None
        return found if done or found.status == "failed" else None

    def _forget(self, cell: Cell, later: Sequence[Cell]) -> None:
        """Lets go of what a task's runs share after the last of them: its teacher need not stay in memory."""
        name = cell.data.task.name
        if all(other.data.task.name != name for other in later):
            self._assets.pop(name, None)

    def _one(self, cell: Cell, under_way: RunUnderWay) -> tuple[str, float | None]:
        """Trains and records one run; a failure is its result. Raises what stops the study."""
        started = time.perf_counter()
        try:
            assets = self.assets(cell)
            watch = RunCallbacks(
                self._events.progress, self._events.evaluated, self._note, self._interruptions.asked
            )
            saving = _Saving(under_way, cell, self._events, self._saved)
            ranks = cell.recipe.ranks
            ranks.announce(
                RunAnnouncement(cell.run_id, cell.tuning, tuple(self._assets))
            )  # the others join in
            outcome = ranks.together(lambda: train(cell.job, assets, watch, saving))
            record = recording.finished(cell, self._grid, assets, outcome, self._command)
        except ResultsError:
            raise
        except PausedError as paused:
            raise self._interruptions.stopped(_how_to_go_on(cell, paused, under_way)) from None
        except Exception as error:  # a method may raise anything: it costs its own run, with the reason kept
            if cell.recipe.ranks.size > 1:
                self._assets.pop(cell.data.task.name, None)  # the others may have got another part of them
            reason = _reason(error)
            self._events.warning(f"{cell.label}: {reason}")
            self._events.detail("".join(traceback.format_exception(error)).rstrip())
            seconds = time.perf_counter() - started
            self._store.write(
                recording.failed(cell, self._grid, reason, seconds, self._command), study=self._settings
            )
            under_way.remove()  # it is tried again from the start
            return "failed", None
        write_data(cell, self._store)
        if self._grid.spec.keep == "last" and record.status != "diverged" and outcome.student is not None:
            self._keep(cell, assets, outcome.student)
        predictions = recording.predictions_of(cell, outcome)
        self._store.write(record, predictions, outcome.history, study=self._settings)
        return _end(record)

    def _keep(self, cell: Cell, assets: TaskAssets, student: nn.Module) -> None:
        """Keeps the student, before there is a record that lets one expect it; a disk that refuses costs no run."""
        card = StudentCard(
            run_id=cell.run_id, task=cell.data.task.name, labels=cell.data.task.labels,
            max_length=cell.recipe.max_length, precision=cell.recipe.precision,
            eval_batch_size=cell.job.training.eval_batch_size, sha256=weights_digest(student),
        )  # fmt: skip
        problem = KeptStudents(self._store.root).keep(
            cell.run_id, lambda folder: save_student(folder, student, assets.student_encoder, card)
        )
        if problem is not None:
            self._events.warning(f"{cell.label}: the student could not be kept: {problem}")

    def _note(self, text: str) -> None:
        """Passes a method's notice on, once a study."""
        if text not in self._noted:
            self._noted.add(text)
            self._events.note(text)


def write_data(cell: Cell, store: ResultsStore) -> None:
    """Stores the dev sets that a run is scored on."""
    for examples in cell.data.dev:
        store.write_data(
            cell.data.digests[examples.split],
            task=cell.data.task.name,
            split=examples.split,
            uids=examples.uids,
            labels=examples.labels or (),
        )


class _Saving:
    """The checkpoints of a run; the first that the disk refuses is a warning."""

    def __init__(self, under_way: RunUnderWay, cell: Cell, events: Events, saved: Saved) -> None:
        self._under_way, self._cell, self._events, self._saved = under_way, cell, events, saved
        self.folders = under_way.folders

    def save(self, update: int, write: Callable[[Path], None]) -> None:
        """Saves one, or says why it could not."""
        before = self._under_way.problem
        self._under_way.save(update, write)
        problem = self._under_way.problem
        if problem is None:
            self._saved(update, next(iter(self._under_way.folders())))
        if problem is not None and before is None:
            self._events.warning(f"{self._cell.label}: no checkpoint could be saved: {problem}")


def _how(status: str, found: Record | None) -> How:
    if status == "failed":
        return "failed"
    return "trained" if found is None else "elsewhere"


def _end(record: Record) -> tuple[str, float | None]:
    """How a run ended: its status and score."""
    return record.status, record.task_score.last if record.task_score else None


def _how_to_go_on(cell: Cell, paused: PausedError, under_way: RunUnderWay) -> str:
    """What was saved of a run that was asked to stop, and what continues it, in one line."""
    what, problem = paused.what or cell.label, paused.problem or under_way.problem
    if problem is not None:
        return f"stopped; {what} could not be saved ({problem}); run the same command to start it over."
    return f"stopped; {what} saved at update {paused.update}; run the same command to resume."


def _reason(error: Exception) -> str:
    """Why a run failed, in one line."""
    text = str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split()).removesuffix(":") or "no reason given"
