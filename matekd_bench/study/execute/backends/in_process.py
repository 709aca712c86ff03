"""Trains the runs of a study in this process, one after another; locks keep other processes off the same run."""

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
from matekd_bench.errors import ResultsError, one_line
from matekd_bench.results.records.run_record import Record, Tuning
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.students_folder import KeptStudents
from matekd_bench.results.store.under_way import RunUnderWay
from matekd_bench.study.events import Events
from matekd_bench.study.execute import recording
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.plan.grid import Cell, Grid

POLL_SECONDS = 2.0  # before runs that other processes hold are tried again

OnCheckpoint = Callable[[int, Path], None]  # gets the update and the folder of every saved checkpoint
ExitKind = Literal["trained", "elsewhere", "failed"]


@dataclass
class Tally:
    """The number of runs of each outcome.

    Runs are trained here, recorded by other processes meanwhile (`elsewhere`), failed, or never started (`left`).
    """

    trained: int = 0
    elsewhere: int = 0
    failed: int = 0
    left: int = 0

    @property
    def done(self) -> int:
        """Return the number of runs that have ended, here or elsewhere."""
        return self.trained + self.elsewhere + self.failed

    def count(self, kind: ExitKind) -> None:
        """Add one run that has ended in this way."""
        setattr(self, kind, getattr(self, kind) + 1)


@dataclass(frozen=True)
class RunExit:
    """The end of a run.

    `kind` tells whether it was trained here, was recorded by another process (`elsewhere`), or failed.
    """

    kind: ExitKind
    status: str
    score: float | None
    seconds: float


@dataclass(frozen=True)
class RunAnnouncement:
    """A message of the leading process to its followers: the run to train next.

    `tasks` are the tasks whose assets the leader keeps in memory.
    """

    run_id: str
    tuning: Tuning | None
    tasks: tuple[str, ...]


class LocalExecutor:
    """An executor that trains runs one after another in this process and makes a task's shared assets once.

    A run that another process holds is skipped and tried again later. With `fail_fast` the executor stops after the
    first run that fails. `on_checkpoint` is called after every saved checkpoint.
    """

    def __init__(
        self, grid: Grid, store: ResultsStore, events: Events, command: str, interruptions: Interruptions,
        *, fail_fast: bool = False, on_checkpoint: OnCheckpoint = lambda update, folder: None,
    ) -> None:  # fmt: skip
        self._on_checkpoint = on_checkpoint
        self.grid = self._grid = grid
        self._store = store
        self._events = events
        self._command = command
        self._interruptions = interruptions
        self._fail_fast = fail_fast
        self._assets: dict[str, TaskAssets] = {}
        self._settings = grid.spec.model_dump(mode="json")
        self._shown_notes: set[str] = set()
        self._waited_for: set[str] = set()  # ids of runs that another process held

    def assets(self, cell: Cell) -> TaskAssets:
        """Return what the runs on this cell's task share, from memory if it is there."""
        task = cell.data.task.name
        if task not in self._assets:
            self._assets[task] = TaskAssets(
                cell.data,
                cell.recipe,
                stage=self._events.stage,
                progress=lambda done, limit, loss: self._events.progress(done, limit, loss, None),
                warn=self._events.warning,
                stopping=self._interruptions.stop_requested,
            )
        return self._assets[task]

    def run(self, cells: Sequence[Cell]) -> Tally:
        """Train and record every cell that no other process holds, and wait for the others."""
        tally, pending = Tally(), list(cells)
        while pending:
            held: list[Cell] = []
            for index, cell in enumerate(pending):
                if (run_exit := self.run_cell(cell, tally.done + 1, len(cells))) is None:
                    held.append(cell)
                    continue
                tally.count(run_exit.kind)
                if tally.failed and self._fail_fast:
                    tally.left = len(held) + len(pending) - index - 1
                    return tally
                self._drop_unused_assets(cell, [*held, *pending[index + 1 :]])
            if len(held) == len(pending):
                time.sleep(POLL_SECONDS)
            pending = held
        return tally

    def run_cell(self, cell: Cell, position: int = 1, total: int = 1) -> RunExit | None:
        """Train and record the cell, or read the record that another process has made of it.

        Return None while another process is training it.
        """
        under_way = self._store.under_way(cell.run_id)
        if not under_way.acquire():
            if cell.run_id not in self._waited_for:
                self._events.note(f"{cell.label}: being trained by {under_way.holder()}")
                self._waited_for.add(cell.run_id)
            return None
        try:
            started, record = time.perf_counter(), self._record_from_elsewhere(cell)
            self._events.run_started(cell.label, position, total)
            if record is None:
                status, score = self._train_and_record(cell, under_way)
            else:
                status, score = _status_and_score(record)
            run_exit = RunExit(_exit_kind(status, record), status, score, time.perf_counter() - started)
            self._events.run_finished(cell.label, status, score, run_exit.seconds)
        finally:
            under_way.release(done=self._store.has(cell.run_id))
        self._interruptions.end_deferral()
        return run_exit

    def _record_from_elsewhere(self, cell: Cell) -> Record | None:
        """Return the record that another process has written meanwhile, None if the run is to be trained here.

        A failed record counts only if this process waited for the run; older failed runs are tried again.
        """
        recorded = self._store.has(cell.run_id)
        if not recorded and cell.run_id not in self._waited_for:
            return None
        try:
            record = self._store.read(cell.run_id)
        except ResultsError:  # the other process stopped without a record
            return None
        return record if recorded or record.status == "failed" else None

    def _drop_unused_assets(self, cell: Cell, later: Sequence[Cell]) -> None:
        """Free the assets of the cell's task, such as its teacher, if no later cell needs them."""
        task = cell.data.task.name
        if all(other.data.task.name != task for other in later):
            self._assets.pop(task, None)

    def _train_and_record(self, cell: Cell, under_way: RunUnderWay) -> tuple[str, float | None]:
        """Train and record one run, and return its status and score.

        A run that raises is recorded as failed. Errors that end the whole study are raised: StoppedError, and
        ResultsError because then no run can be recorded.
        """
        started = time.perf_counter()
        try:
            assets = self.assets(cell)
            callbacks = RunCallbacks(
                self._events.progress,
                self._events.evaluated,
                self._note_once,
                self._interruptions.stop_requested,
            )
            checkpoints = _RunCheckpoints(under_way, cell, self._events, self._on_checkpoint)
            ranks = cell.recipe.ranks
            # The followers start the same run when they receive this.
            ranks.announce(RunAnnouncement(cell.run_id, cell.tuning, tuple(self._assets)))
            outcome = ranks.run_sharing_errors(lambda: train(cell.job, assets, callbacks, checkpoints))
            record = recording.finished_record(cell, self._grid, assets, outcome, self._command)
        except ResultsError:
            raise
        except PausedError as paused:
            raise self._interruptions.stopped_error(_stop_message(cell, paused, under_way)) from None
        except Exception as error:  # a method may raise anything: only its own run fails
            if cell.recipe.ranks.size > 1:
                self._assets.pop(cell.data.task.name, None)  # the processes may have prepared different parts
            reason = one_line(error)
            self._events.warning(f"{cell.label}: {reason}")
            self._events.detail("".join(traceback.format_exception(error)).rstrip())
            seconds = time.perf_counter() - started
            self._store.write(
                recording.failed_record(cell, self._grid, reason, seconds, self._command),
                study=self._settings,
            )
            under_way.remove()  # a failed run starts over when it is tried again
            return "failed", None
        write_data(cell, self._store)
        if self._grid.spec.keep == "last" and record.status != "diverged" and outcome.student is not None:
            self._keep_student(cell, assets, outcome.student)
        predictions = recording.predictions_of(cell, outcome)
        self._store.write(record, predictions, outcome.history, study=self._settings)
        return _status_and_score(record)

    def _keep_student(self, cell: Cell, assets: TaskAssets, student: nn.Module) -> None:
        """Save the student; warn if it cannot be written.

        This comes before the record is written: a recorded run should have its student.
        """
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

    def _note_once(self, text: str) -> None:
        """Report a method's note the first time it comes in this study."""
        if text not in self._shown_notes:
            self._shown_notes.add(text)
            self._events.note(text)


def write_data(cell: Cell, store: ResultsStore) -> None:
    """Store the dev sets that the cell's run is scored on."""
    for examples in cell.data.dev:
        store.write_data(
            cell.data.digests[examples.split],
            task=cell.data.task.name,
            split=examples.split,
            uids=examples.uids,
            labels=examples.labels or (),
        )


class _RunCheckpoints:
    """The checkpoints of a run, with a warning at the first one that cannot be saved."""

    def __init__(
        self, under_way: RunUnderWay, cell: Cell, events: Events, on_checkpoint: OnCheckpoint
    ) -> None:
        self._under_way, self._cell, self._events = under_way, cell, events
        self._on_checkpoint = on_checkpoint
        self.folders = under_way.folders

    def save(self, update: int, write: Callable[[Path], None]) -> None:
        """Save a checkpoint that `write` puts into a folder; warn at the first one that fails."""
        earlier_problem = self._under_way.problem
        self._under_way.save(update, write)
        problem = self._under_way.problem
        if problem is None:
            self._on_checkpoint(update, next(iter(self._under_way.folders())))
        if problem is not None and earlier_problem is None:
            self._events.warning(f"{self._cell.label}: no checkpoint could be saved: {problem}")


def _exit_kind(status: str, record_from_elsewhere: Record | None) -> ExitKind:
    if status == "failed":
        return "failed"
    return "trained" if record_from_elsewhere is None else "elsewhere"


def _status_and_score(record: Record) -> tuple[str, float | None]:
    return record.status, record.task_score.last if record.task_score else None


def _stop_message(cell: Cell, paused: PausedError, under_way: RunUnderWay) -> str:
    """Return a line that says what a stopped run has saved and how to resume it."""
    subject, problem = paused.what or cell.label, paused.problem or under_way.problem
    if problem is not None:
        return f"stopped; {subject} could not be saved ({problem}); run the same command to start it over."
    return f"stopped; {subject} saved at update {paused.update}; run the same command to resume."
