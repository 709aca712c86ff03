"""Trains and records one run after another in this process; locks keep other processes away from the same run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from torch import nn

from matekd_bench.distill.artifacts.kept_student import StudentCard, save_student
from matekd_bench.distill.artifacts.task_assets import TaskAssets
from matekd_bench.distill.device import device_is_lost
from matekd_bench.distill.evaluation_sets import SetEvaluator
from matekd_bench.distill.models.networks import weights_digest
from matekd_bench.distill.models.score_units import task_units
from matekd_bench.distill.student_run import train
from matekd_bench.distill.training.resume import PausedError
from matekd_bench.errors import ResultsError, one_line, traceback_of
from matekd_bench.events import Event, Message, Sink
from matekd_bench.foreign_code import foreign_code, raised_by_suite
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.students_folder import KeptStudents
from matekd_bench.results.store.under_way import RunUnderWay
from matekd_bench.study.execute import recording
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.orders import EndKind, Order, OrderEnd, run_started
from matekd_bench.study.execute.set_recording import write_sets
from matekd_bench.study.plan.code_changes import check_unchanged
from matekd_bench.study.plan.estimate import uses_generator
from matekd_bench.study.plan.grid import Cell, Grid

OnCheckpoint = Callable[[int, Path], None]  # gets the update and the folder of every saved checkpoint


class RunSink(Sink):
    """A sink that adds the id of the current run to events without one, and passes them on."""

    def __init__(self, sink: Sink) -> None:
        self.run_id = ""
        self._sink = sink

    def emit(self, event: Event) -> None:
        """Pass on an event."""
        self._sink.emit(self.about_run(event))

    def about_run(self, event: Event) -> Event:
        """Return the event with the id of the current run, unless it already has one."""
        return event if event.run_id else replace(event, run_id=self.run_id)

    @contextmanager
    def redirected(self, sink: Sink) -> Iterator[None]:
        """Pass events on to another sink within the block."""
        previous, self._sink = self._sink, sink
        try:
            yield
        finally:
            self._sink = previous


# The message from the leading process to its followers: the order to execute next, and the tasks whose assets the
# leader keeps in memory. None means that the study is over.
Announcement: TypeAlias = tuple[Order, tuple[str, ...]] | None


class Runner:
    """Trains the runs of one grid in this process, and makes each task's shared assets once.

    `on_checkpoint` is called after every saved checkpoint.
    """

    def __init__(
        self, grid: Grid, store: ResultsStore, sink: RunSink, interruptions: Interruptions, *, command: str,
        on_checkpoint: OnCheckpoint = lambda update, folder: None,
    ) -> None:  # fmt: skip
        self.grid, self.store, self.sink = grid, store, sink
        self._interruptions, self._command = interruptions, command
        self._on_checkpoint = on_checkpoint
        self._assets: dict[str, TaskAssets] = {}
        self._evaluators: dict[str, SetEvaluator] = {}
        self._settings = grid.spec.model_dump(mode="json")
        # The runs that another process held, each with its failed record of that time.
        self._waited_for: dict[str, Record | None] = {}
        self._device_lost = False

    def assets(self, cell: Cell) -> TaskAssets:
        """Return the assets that the runs on this cell's task share, from memory if they are there."""
        task = cell.data.task.name
        if task not in self._assets:
            self._assets[task] = TaskAssets(
                cell.data, cell.recipe, self.sink, self._interruptions.stop_requested
            )
        return self._assets[task]

    def evaluator(self, cell: Cell) -> SetEvaluator:
        """Return the evaluator of the further sets of a cell's task, from memory if it is there."""
        task = cell.data.task.name
        if task not in self._evaluators:
            self._evaluators[task] = SetEvaluator(cell.sets, self.assets(cell), self.sink)
        return self._evaluators[task]

    def forget(self, task: str) -> None:
        """Free the assets of a task, such as its teacher."""
        self._assets.pop(task, None)
        self._evaluators.pop(task, None)

    def execute(self, order: Order) -> OrderEnd:
        """Execute an order and return its end.

        Raises StoppedError after a signal, and ResultsError if no run can be recorded.
        """
        cell = self.grid.cell(order.run_id, order.tuning)
        self.sink.run_id = cell.run_id
        return self._prepare(order, cell) if order.prepares else self._train(order, cell)

    def _prepare(self, order: Order, cell: Cell) -> OrderEnd:
        """Prepare what runs share: the teacher of a task and its logits, or the generator."""
        assets = self.assets(cell)
        try:
            with foreign_code():
                if "teacher" in order.prepares:
                    _ = assets.train  # a cached property: reading it makes the teacher and its logits
                    assets.warn_of_weak_teacher()
                if "generator" in order.prepares:
                    _ = assets.generator
        except PausedError as paused:
            raise self._interruptions.stopped_error(_stop_message(cell, paused)) from None
        except ResultsError:
            raise
        except Exception as error:  # each run of the task raises it again, and is recorded as failed
            self._emit("detail", f"preparing {order.task}: {one_line(error)}")
            self._device_lost = device_is_lost(error, cell.recipe.device)
        self._interruptions.end_deferral()
        return OrderEnd(order, "prepared", device_lost=self._device_lost)

    def cached_folders(self, order: Order) -> list[Path]:
        """Return the folders of this machine's cache that an order has filled."""
        assets = self.assets(self.grid.cell(order.run_id, order.tuning))
        return assets.cached_folders(generator=any(map(uses_generator, self.grid.cells))) or []

    def _train(self, order: Order, cell: Cell) -> OrderEnd:
        """Train and record the cell, or read the record that another process has written for it."""
        under_way = self.store.under_way(cell.run_id)
        if not under_way.acquire():
            if cell.run_id not in self._waited_for:
                self._emit("note", f"{cell.label}: being trained by {under_way.holder()}")
                self._waited_for[cell.run_id] = self._readable(cell.run_id)
            return OrderEnd(order, "held")
        try:
            started, record = time.perf_counter(), self._record_from_elsewhere(cell)
            self.sink.emit(run_started(cell))
            own = record is None
            if record is None:
                record = self._train_and_record(order, cell, under_way)
        finally:
            under_way.release(done=self.store.has(cell.run_id))
        self._interruptions.end_deferral()
        seconds = time.perf_counter() - started
        kind: EndKind = "failed" if record.status == "failed" else "trained" if own else "elsewhere"
        return OrderEnd(order, kind, record.status, record.last_score, seconds, device_lost=self._device_lost)

    def _record_from_elsewhere(self, cell: Cell) -> Record | None:
        """Return the record that another process has written in the meantime; None if the run should train here.

        A failed record counts only if it was written while this process waited for the run; older failed runs are
        tried again.
        """
        recorded = self.store.has(cell.run_id)
        if not recorded and cell.run_id not in self._waited_for:
            return None
        record = self._readable(cell.run_id)  # None if the other process stopped without a record
        if record is None or recorded:
            return record
        return record if record.status == "failed" and record != self._waited_for[cell.run_id] else None

    def _readable(self, run_id: str) -> Record | None:
        try:
            return self.store.read(run_id)
        except ResultsError:
            return None

    def _train_and_record(self, order: Order, cell: Cell, under_way: RunUnderWay) -> Record:
        """Train and record one run, and return its record.

        A run that raises is recorded as failed. Errors that end the whole study are raised: StoppedError, and
        ResultsError, after which no run could be recorded.
        """
        started = time.perf_counter()
        try:
            assets = self.assets(cell)
            under_way.on_saved = self._on_checkpoint
            under_way.on_problem = lambda reason: self._emit(
                "warning", f"{cell.label}: no checkpoint could be saved: {reason}"
            )
            check_unchanged(cell, self.grid.host)
            evaluator = self.evaluator(cell)
            evaluator.prepare()
            ranks = cell.recipe.ranks
            # The followers start the same run when they receive this.
            ranks.announce((order, tuple(self._assets)))
            outcome = ranks.run_sharing_errors(
                lambda: train(
                    cell.job, assets, self.sink,
                    stopping=self._interruptions.stop_requested, checkpoints=under_way,
                )
            )  # fmt: skip
            check_unchanged(
                cell, self.grid.host
            )  # recorded again: a method may have imported modules while it trained
            student = None if outcome.status == "diverged" else outcome.student
            also = evaluator.answers(student, cell.job.training.eval_batch_size)
            record = recording.finished_record(cell, self.grid, assets, outcome, self._command, also)
        except PausedError as paused:
            raise self._interruptions.stopped_error(_stop_message(cell, paused)) from None
        except Exception as error:  # a method may raise anything: only its own run fails
            if isinstance(error, ResultsError) and raised_by_suite(error):
                raise
            if cell.recipe.ranks.size > 1:
                self.forget(cell.data.task.name)  # the processes may have prepared different parts
            return self._record_failure(cell, error, time.perf_counter() - started, under_way)
        write_data(cell, self.store)
        write_sets(also, self.store)
        if self.grid.spec.keep == "last" and record.status != "diverged" and outcome.student is not None:
            self._keep_student(cell, assets, outcome.student)
        predictions = recording.predictions_of(cell, outcome, also)
        self.store.write(record, predictions, outcome.history, study=self._settings)
        return record

    def _record_failure(self, cell: Cell, error: Exception, seconds: float, under_way: RunUnderWay) -> Record:
        reason = one_line(error)
        self._emit("warning", f"{cell.label}: {reason}")
        self._emit("detail", traceback_of(error))
        self._device_lost = device_is_lost(error, cell.recipe.device)
        record = recording.failed_record(cell, self.grid, reason, seconds, self._command)
        self.store.write(record, study=self._settings)
        under_way.remove()  # a failed run starts over when it is tried again
        return record

    def _keep_student(self, cell: Cell, assets: TaskAssets, student: nn.Module) -> None:
        """Save the student; warn if it cannot be written.

        This happens before the record is written, so that a recorded run has its student.
        """
        offset, problem = 0.0, None
        try:
            with foreign_code(), task_units(student, assets.units) as offset:
                card = StudentCard(
                    run_id=cell.run_id, task=cell.data.task.name, labels=cell.data.task.labels,
                    max_length=cell.recipe.max_length, precision=cell.recipe.precision,
                    eval_batch_size=cell.job.training.eval_batch_size, sha256=weights_digest(student), offset=offset,
                )  # fmt: skip
                problem = KeptStudents(self.store.root).keep(
                    cell.run_id, lambda folder: save_student(folder, student, assets.student_encoder, card)
                )
        except Exception as error:  # libraries may raise anything: only the student is lost, never the record
            problem = one_line(error)
        if offset and problem is None:
            self._emit(
                "note", f"students of {cell.data.task.name} have no bias in the last layer: 'predict' adds {offset:g} "
                "to their answers, but plain transformers does not (see offset in student.json)",
            )  # fmt: skip
        if problem is not None:
            self._emit("warning", f"{cell.label}: the student could not be kept: {problem}")

    def _emit(self, kind: str, text: str) -> None:
        self.sink.emit(Message(kind=kind, text=text))  # type: ignore[arg-type]


def write_data(cell: Cell, store: ResultsStore) -> None:
    """Store the dev sets on which the cell's run is scored."""
    for examples in cell.data.dev:
        store.write_data(
            cell.data.digests[examples.split],
            task=cell.data.task.name,
            split=examples.split,
            uids=examples.uids,
            labels=examples.gold,
        )


def _stop_message(cell: Cell, paused: PausedError) -> str:
    """Return a line that says whether a stopped run or preparation is saved, and how to resume it."""
    subject = paused.what or cell.label
    if paused.problem is not None:
        return f"stopped; {subject} could not be saved ({paused.problem}); run the same command to start it over."
    return f"stopped; {subject} saved at update {paused.update}; run the same command to resume."
