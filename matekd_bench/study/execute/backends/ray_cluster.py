"""Trains the runs of a study on a Ray cluster, one Ray task per run; this process stores records and checkpoints."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from matekd_bench.distill.artifacts.artifact_cache import import_folders
from matekd_bench.errors import ResultsError, UsageError
from matekd_bench.files.durable import MANIFEST
from matekd_bench.files.hashing import short_digest
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.students_folder import KeptStudents
from matekd_bench.results.store.under_way import RunUnderWay
from matekd_bench.study.events import Events
from matekd_bench.study.execute import recording
from matekd_bench.study.execute.backends.in_process import ExitKind, Tally, write_data
from matekd_bench.study.execute.backends.ray_node import (
    Checkpoint,
    Files,
    NodeOrder,
    NodeResult,
    ReportMailbox,
    execute_order,
    files_of,
    write_files,
)
from matekd_bench.study.execute.backends.shared_artifacts import cached_artifacts
from matekd_bench.study.execute.backends.worker import WorkerStudy
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.work_queue import WorkQueue
from matekd_bench.study.plan.estimate import work_items
from matekd_bench.study.plan.forecast import TEACHERS, WorkItem
from matekd_bench.study.plan.grid import Cell, Grid
from matekd_bench.study.spec.study_spec import Resources

WATCH_SECONDS = 0.5  # between two checks for results, reports and signals
MAX_IN_FLIGHT = 1000  # work items that are submitted to the cluster at a time
MAX_TRIES = 5  # of a run whose node is lost each time


class RayExecutor:
    """An executor that trains runs as Ray tasks.

    If a node is lost, its runs resume on another node from their last evaluations. No shared file system is needed:
    the files that the runs of a task share are sent from this machine's cache, and checkpoints and records come back
    to its results folder.
    """

    def __init__(
        self, grid: Grid, store: ResultsStore, events: Events, study: WorkerStudy, interruptions: Interruptions,
        *, address: str, resources: Resources, fail_fast: bool = False,
    ) -> None:  # fmt: skip
        self._grid, self._store, self._events, self._study = grid, store, events, study
        self._interruptions, self._address, self._fail_fast = interruptions, address, fail_fast
        self._resources = resources
        self._tally = Tally()
        self._run_views: dict[str, Events] = {}
        self._locks: dict[str, RunUnderWay] = {}
        self._shared: dict[str, Any] = {}  # by task: a Ray reference to the files that its runs share
        self._tries: Counter[str] = Counter()
        self._in_flight: dict[Any, WorkItem] = {}  # by Ray reference
        self._submitted_at: dict[str, float] = {}  # by work name
        self._announced: set[str] = set()
        self._shown_messages: set[str] = set()

    def run(self, cells: Sequence[Cell]) -> Tally:
        """Train and record every cell; cells that another process records meanwhile are only counted."""
        if not cells:
            return self._tally
        with _connected(self._address) as ray:
            self._ray = ray
            self._plan_work(cells)
            try:
                self._process_queue()
            finally:
                for lock in self._locks.values():
                    lock.release(done=False)
        return self._tally

    def _plan_work(self, cells: Sequence[Cell]) -> None:
        """Fill the queue and set up Ray's side: the mailbox, the remote function and the input files.

        Shared files that this machine's cache has are handed to Ray. For other tasks the queue gets an item that
        makes them, and the task's runs wait for it.
        """
        ray = self._ray
        self._cells = {cell.label: cell for cell in cells}
        planned = {item.name: item for item in work_items(cells, self._store.records())[0]}
        first_cells = {cell.data.task.name: cell for cell in reversed(cells)}
        generator = any("generator" in cell.job.method.needs for cell in self._grid.cells)
        work_list, teacher_items = [], {}
        for task, cell in first_cells.items():
            if (files := cached_artifacts(cell, generator=generator)) is not None:
                self._shared[task] = ray.put(files)
                continue
            teacher_items[task] = f"teacher for {task}"
            work_list.append(planned.get(teacher_items[task], WorkItem(teacher_items[task], 0.0, task)))
        runs = (planned[cell.label] for cell in cells)
        self._queue = WorkQueue(
            [*work_list, *(replace(run, teacher=teacher_items.get(run.task)) for run in runs)]
        )
        this_node = ray.get_runtime_context().get_node_id()
        on_this_node = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(this_node, soft=False)
        mailbox_actor = ray.remote(num_cpus=0, scheduling_strategy=on_this_node)(ReportMailbox)
        self._mailbox = mailbox_actor.remote()
        self._remote_function = ray.remote(max_retries=0)(_execute_on_node)  # lost tasks are resubmitted here
        request, plugins = self._study.request, self._study.plugins
        paths = [*plugins, *([request.config] if request.config else [])]
        self._inputs = {path: path.read_bytes() for path in paths}
        self._study_key = short_digest([self._study.to_json(), os.getpid(), time.time()])

    def _process_queue(self) -> None:
        """Submit work and handle results until all is done, a signal comes or a run fails with `fail_fast`."""
        while len(self._queue) or self._in_flight:
            self._submit_ready()
            ended, _ = self._ray.wait(list(self._in_flight), timeout=WATCH_SECONDS)
            self._handle_reports()
            for ref in ended:
                self._handle_result(ref, self._in_flight.pop(ref))
            if self._interruptions.stop_requested():
                raise self._interruptions.stopped_error(
                    "stopped; run the same command to resume from the last evaluations."
                )
            if self._fail_fast and self._tally.failed:
                self._tally.left = len(self._queue) + len(self._in_flight)
                return
            if not self._in_flight and len(self._queue):  # other processes hold all that is left
                time.sleep(WATCH_SECONDS)
                self._queue.retry()

    def _submit_ready(self) -> None:
        """Submit the work that can start now, the longest path first."""
        while len(self._in_flight) < MAX_IN_FLIGHT and (work := self._queue.take()) is not None:
            if work.method != TEACHERS and not self._reserve(work):
                continue
            self._submit_task(work)

    def _reserve(self, work: WorkItem) -> bool:
        """Take the run's lock until its result is back; return False if it is recorded or another process holds it."""
        cell = self._cells[work.name]
        lock = self._store.under_way(cell.run_id)
        if not lock.acquire():
            self._queue.put_back(work)
            return False
        if self._store.has(cell.run_id):
            lock.release(done=True)
            self._tally.count("elsewhere")
            return False
        self._locks[work.name] = lock
        return True

    def _submit_task(self, work: WorkItem) -> None:
        """Submit a work item as a Ray task, a run with its newest checkpoint."""
        prepare = work.method == TEACHERS
        cell = self._first_cell(work.task) if prepare else self._cells[work.name]
        order = NodeOrder(
            self._study,
            self._inputs,
            os.getcwd(),
            self._study_key,
            work.name,
            work.task,
            cell.run_id,
            cell.tuning,
            prepare,
        )
        checkpoint = None if prepare else _newest_checkpoint(self._locks[work.name])
        remote_function = self._remote_function.options(name=work.name, **self._ray_resources())
        ref = remote_function.remote(order, self._shared.get(work.task), checkpoint, self._mailbox)
        self._in_flight[ref] = work
        self._submitted_at[work.name] = time.perf_counter()

    def _first_cell(self, task: str) -> Cell:
        """Return the first cell of a task, which is used to prepare what the task's runs share."""
        return next(cell for cell in self._cells.values() if cell.data.task.name == task)

    def _ray_resources(self) -> dict[str, Any]:
        """Return the resources of one work item as arguments for Ray."""
        resources = self._resources
        arguments: dict[str, Any] = {"num_cpus": self._grid.threads or resources.cpus}
        if self._grid.device.type == "cuda":
            arguments["num_gpus"] = resources.gpus
        if resources.memory_gib is not None:
            arguments["memory"] = int(resources.memory_gib * 2**30)  # Ray counts bytes
        return arguments

    def _handle_reports(self) -> None:
        """Pass on the reports that have come from the nodes, and save their checkpoints."""
        for name, report in self._ray.get(self._mailbox.take.remote()):
            view = self._run_views.setdefault(name, self._events.run_view(len(self._run_views) + 1))
            match report:
                case ["began"]:
                    self._announce_start(name, view)
                case ["checkpoint", update, files] if name in self._locks:
                    self._save_checkpoint(self._locks[name], update, files)
                case ["note" | "warning" as kind, text] if text not in self._shown_messages:
                    self._shown_messages.add(text)
                    getattr(view, kind)(text)
                case ["detail" | "stage" | "progress" | "evaluated" as kind, *values]:
                    getattr(view, kind)(*values)

    def _announce_start(self, name: str, view: Events) -> None:
        """Report that a run has begun, once per run."""
        if name not in self._announced:
            self._announced.add(name)
            view.run_started(name, len(self._announced), len(self._cells))

    @staticmethod
    def _save_checkpoint(lock: RunUnderWay, update: int, files: Files) -> None:
        """Save a checkpoint on this machine, where it survives the loss of its node."""

        def write(folder: Path) -> None:
            for name, content in files.items():
                if name != MANIFEST:  # saving writes its own
                    (folder / Path(name).name).write_bytes(content)

        lock.save(update, write)

    def _handle_result(self, ref: Any, work: WorkItem) -> None:
        """Store the result of a Ray task; submit the work again if its node was lost, and record other errors."""
        from ray.exceptions import RayError, RayTaskError

        try:
            result: NodeResult = self._ray.get(ref)
            if work.method == TEACHERS:
                self._share(work, result.files)
            else:
                self._store_run(work, result)
        except RayTaskError as error:  # not from the method: its errors are recorded on the node
            self._record_failure(work, " ".join(str(error.cause or error).split()))
        except ResultsError as error:
            self._record_failure(work, str(error))
        except RayError as error:
            self._tries[work.name] += 1
            if self._tries[work.name] >= MAX_TRIES:
                self._record_failure(work, f"its node was lost {MAX_TRIES} times ({type(error).__name__})")
                return
            self._events.warning(
                f"{work.name}: its node was lost ({type(error).__name__}); it goes elsewhere"
            )
            self._submit_task(work)

    def _share(self, work: WorkItem, files: Files) -> None:
        """Put the files that the runs of a task share into this machine's cache, and hand them to Ray."""
        import_folders(files)
        self._shared[work.task] = self._ray.put(files)
        self._queue.complete(work)

    def _store_run(self, work: WorkItem, result: NodeResult) -> None:
        """Store the student and the record of a run that has ended on a node."""
        cell = self._cells[work.name]
        write_data(cell, self._store)
        if result.student:
            self._keep_student(cell, result.student)
        record = self._store.import_run(cell.run_id, result.files)
        run_exit = result.run_exit
        assert run_exit is not None
        kind: ExitKind = "failed" if record.status == "failed" else "trained"
        if kind == "failed":
            self._locks[work.name].remove()  # a failed run starts over when it is tried again
        self._finish_run(work, kind, run_exit.status, run_exit.score, run_exit.seconds)

    def _keep_student(self, cell: Cell, files: Files) -> None:
        """Save the student on this machine, before the record: a recorded run should have its student."""
        problem = KeptStudents(self._store.root).keep(cell.run_id, lambda folder: write_files(folder, files))
        if problem is not None:
            self._events.warning(f"{cell.label}: the student could not be kept: {problem}")

    def _record_failure(self, work: WorkItem, reason: str) -> None:
        """Record a run as failed; for a teacher only warn, since each run that needs it will fail and be recorded."""
        self._events.warning(f"{work.name}: {reason}")
        if work.method == TEACHERS:
            self._queue.complete(work)
            return
        cell, seconds = self._cells[work.name], time.perf_counter() - self._submitted_at[work.name]
        command = self._study.request.command
        record = recording.failed_record(cell, self._grid, reason, seconds, command)
        self._store.write(record, study=self._grid.spec.model_dump(mode="json"))
        self._finish_run(work, "failed", "failed", None, seconds)

    def _finish_run(
        self, work: WorkItem, kind: ExitKind, status: str, score: float | None, seconds: float
    ) -> None:
        """Release the run's lock, count it and report its end."""
        cell = self._cells[work.name]
        self._locks.pop(work.name).release(done=self._store.has(cell.run_id))
        self._tally.count(kind)
        self._queue.complete(work)
        view = self._run_views.pop(work.name, self._events)
        self._announce_start(work.name, view)  # a run whose node was lost early has not reported its start
        view.run_finished(work.name, status, score, seconds)


def _execute_on_node(
    order: NodeOrder, shared: Files | None, checkpoint: Checkpoint | None, mailbox: Any
) -> NodeResult:
    """Call :func:`matekd_bench.study.execute.backends.ray_node.execute_order` with the id of this node."""
    import ray

    return execute_order(order, ray.get_runtime_context().get_node_id(), shared, checkpoint, mailbox)


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Yield the module `ray`, connected to the cluster; raise UsageError without Ray or without a cluster."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError:
        raise UsageError(
            "--executor ray needs Ray, which is not installed:",
            hint="pip install -c constraints.txt '.[ray]'.",
        ) from None
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"there is no Ray cluster at '{address}' ({reason}):", hint="'ray start --head' begins one."
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _newest_checkpoint(lock: RunUnderWay) -> Checkpoint | None:
    """Return the run's newest whole checkpoint on this machine, None if there is none."""
    for folder in lock.folders():
        files = files_of(folder)
        files.pop(MANIFEST, None)
        return int(folder.name), files
    return None
