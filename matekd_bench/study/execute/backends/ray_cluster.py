"""Trains the runs of a study on a Ray cluster: one task per run, records and checkpoints come back to this process."""

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

from matekd_bench.distill.artifacts.artifact_cache import adopt
from matekd_bench.errors import ResultsError, UsageError
from matekd_bench.files.durable import MANIFEST
from matekd_bench.files.hashing import short_digest
from matekd_bench.results.store.kept_students import KeptStudents
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.under_way import RunUnderWay
from matekd_bench.study.events import Events
from matekd_bench.study.execute import recording
from matekd_bench.study.execute.backends.in_process import Tally, write_data
from matekd_bench.study.execute.backends.ray_node import (
    Checkpoint,
    Files,
    NodeOrder,
    NodeResult,
    ReportMailbox,
    files_of,
    work,
    write_files,
)
from matekd_bench.study.execute.backends.shared_artifacts import known, remember
from matekd_bench.study.execute.backends.worker import WorkerStudy
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.work_queue import WorkQueue
from matekd_bench.study.plan.estimate import work_items
from matekd_bench.study.plan.forecast import TEACHERS, WorkItem
from matekd_bench.study.plan.grid import Cell, Grid
from matekd_bench.study.spec.study_spec import Resources

WATCH_SECONDS = 0.5  # between two looks at what has come
IN_FLIGHT = 1000  # pieces of work that the cluster knows of at a time
TRIES = 5  # of a run whose node is lost again and again


class RayExecutor:
    """Trains runs as Ray tasks; a node that is lost costs what its runs did since their last evaluations.

    Nothing needs a shared file system: what the runs of a task share goes out from this machine's cache, checkpoints
    come back to its results folder, and so do records.
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
        self._shared: dict[str, Any] = {}  # by task, what its runs share, as Ray holds it
        self._tries: Counter[str] = Counter()
        self._flying: dict[Any, WorkItem] = {}
        self._since: dict[str, float] = {}
        self._began: set[str] = set()
        self._said: set[str] = set()

    def run(self, cells: Sequence[Cell]) -> Tally:
        """Has every cell trained and recorded, or finds what other processes made of it."""
        if not cells:
            return self._tally
        with _connected(self._address) as ray:
            self._ray = ray
            self._open(cells)
            try:
                self._work_off()
            finally:
                for lock in self._locks.values():
                    lock.release(done=False)
        return self._tally

    def _open(self, cells: Sequence[Cell]) -> None:
        """Lays out the work: for each task what its runs share, from the cache or to be made, then the runs."""
        ray = self._ray
        self._cells = {cell.label: cell for cell in cells}
        planned = {one.name: one for one in work_items(cells, self._store.records())[0]}
        first = {cell.data.task.name: cell for cell in reversed(cells)}
        work_list, makers = [], {}
        for task, cell in first.items():
            if (files := known(cell)) is not None:
                self._shared[task] = ray.put(files)
                continue
            makers[task] = f"teacher for {task}"
            work_list.append(planned.get(makers[task], WorkItem(makers[task], 0.0, task)))
        runs = (planned[cell.label] for cell in cells)
        self._agenda = WorkQueue([*work_list, *(replace(run, teacher=makers.get(run.task)) for run in runs)])
        here = ray.get_runtime_context().get_node_id()
        near = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=False)
        actor = ray.remote(num_cpus=0, scheduling_strategy=near)(ReportMailbox)
        self._mailbox = actor.remote()
        self._task = ray.remote(max_retries=0)(_on_node)
        request, plugins = self._study.request, self._study.plugins
        named = [*plugins, *([request.config] if request.config else [])]
        self._inputs = {path: path.read_bytes() for path in named}
        self._place = short_digest([self._study.to_json(), os.getpid(), time.time()])

    def _work_off(self) -> None:
        while len(self._agenda) or self._flying:
            self._submit()
            ended, _ = self._ray.wait(list(self._flying), timeout=WATCH_SECONDS)
            self._read_mail()
            for ref in ended:
                self._take_in(ref, self._flying.pop(ref))
            if self._interruptions.asked():
                raise self._interruptions.stopped(
                    "stopped; run the same command to resume from the last evaluations."
                )
            if self._fail_fast and self._tally.failed:
                self._tally.left = len(self._agenda) + len(self._flying)
                return
            if not self._flying and len(self._agenda):  # all that is left is held by other processes
                time.sleep(WATCH_SECONDS)
                self._agenda.retry()

    def _submit(self) -> None:
        """Gives the cluster what may begin, the longest first."""
        while len(self._flying) < IN_FLIGHT and (one := self._agenda.take()) is not None:
            if one.method != TEACHERS and not self._reserve(one):
                continue
            self._fly(one)

    def _reserve(self, one: WorkItem) -> bool:
        """Takes the run's lock, for as long as it is away; False where it is done or another process has it."""
        cell = self._cells[one.name]
        lock = self._store.under_way(cell.run_id)
        if not lock.acquire():
            self._agenda.put_back(one)
            return False
        if self._store.has(cell.run_id):
            lock.release(done=True)
            self._tally.count("elsewhere")
            return False
        self._locks[one.name] = lock
        return True

    def _fly(self, one: WorkItem) -> None:
        prepare = one.method == TEACHERS
        cell = self._first(one.task) if prepare else self._cells[one.name]
        order = NodeOrder(
            self._study,
            self._inputs,
            os.getcwd(),
            self._place,
            one.name,
            one.task,
            cell.run_id,
            cell.tuning,
            prepare,
        )
        checkpoint = None if prepare else _newest(self._locks[one.name])
        task = self._task.options(name=one.name, **self._asks())
        ref = task.remote(order, self._shared.get(one.task), checkpoint, self._mailbox)
        self._flying[ref] = one
        self._since[one.name] = time.perf_counter()

    def _first(self, task: str) -> Cell:
        """The first of the runs on a task, which stands for what they share."""
        return next(cell for cell in self._cells.values() if cell.data.task.name == task)

    def _asks(self) -> dict[str, Any]:
        """The resources of a piece of work, in Ray's words."""
        wanted = self._resources
        asks: dict[str, Any] = {"num_cpus": self._grid.threads or wanted.cpus}
        if self._grid.device.type == "cuda":
            asks["num_gpus"] = wanted.gpus
        if wanted.memory_gib is not None:
            asks["memory"] = int(wanted.memory_gib * 2**30)
        return asks

    def _read_mail(self) -> None:
        for name, report in self._ray.get(self._mailbox.take.remote()):
            view = self._run_views.setdefault(name, self._events.run_view(len(self._run_views) + 1))
            match report:
                case ["began"]:
                    self._start(name, view)
                case ["checkpoint", update, files] if name in self._locks:
                    self._keep(self._locks[name], update, files)
                case ["note" | "warning" as kind, text] if text not in self._said:
                    self._said.add(text)
                    getattr(view, kind)(text)
                case ["detail" | "stage" | "progress" | "evaluated" as kind, *values]:
                    getattr(view, kind)(*values)

    def _start(self, name: str, view: Events) -> None:
        """Says once of each run that it has begun."""
        if name not in self._began:
            self._began.add(name)
            view.run_started(name, len(self._began), len(self._cells))

    @staticmethod
    def _keep(lock: RunUnderWay, update: int, files: Files) -> None:
        """Keeps a checkpoint here, where the loss of its node does not reach it."""

        def write(folder: Path) -> None:
            for name, content in files.items():
                if name != MANIFEST:
                    (folder / Path(name).name).write_bytes(content)

        lock.save(update, write)

    def _take_in(self, ref: Any, one: WorkItem) -> None:
        """What came of a piece of work: its files, or the loss of the node that it was on."""
        from ray.exceptions import RayError, RayTaskError

        try:
            done: NodeResult = self._ray.get(ref)
            if one.method == TEACHERS:
                self._share(one, done.files)
            else:
                self._land(one, done)
        except RayTaskError as error:  # not the method's fault, whose errors are recorded where they happen
            self._failed(one, " ".join(str(error.cause or error).split()))
        except ResultsError as error:
            self._failed(one, str(error))
        except RayError as error:
            self._tries[one.name] += 1
            if self._tries[one.name] >= TRIES:
                self._failed(one, f"its node was lost {TRIES} times ({type(error).__name__})")
                return
            self._events.warning(f"{one.name}: its node was lost ({type(error).__name__}); it goes elsewhere")
            self._fly(one)

    def _share(self, one: WorkItem, files: Files) -> None:
        """Keeps what the runs of a task share in this machine's cache, and gives it to the cluster."""
        adopt(files)
        remember(self._first(one.task), files)
        self._shared[one.task] = self._ray.put(files)
        self._agenda.done(one)

    def _land(self, one: WorkItem, done: NodeResult) -> None:
        cell = self._cells[one.name]
        write_data(cell, self._store)
        if done.student:
            self._keep_student(cell, done.student)
        record = self._store.land(cell.run_id, done.files)
        ended = done.ended
        assert ended is not None
        how = "failed" if record.status == "failed" else "trained"
        if how == "failed":
            self._locks[one.name].remove()  # it is tried again from the start
        self._end(one, how, ended.status, ended.score, ended.seconds)

    def _keep_student(self, cell: Cell, files: Files) -> None:
        """Keeps the student here, before there is a record that lets one expect it."""
        problem = KeptStudents(self._store.root).keep(cell.run_id, lambda folder: write_files(folder, files))
        if problem is not None:
            self._events.warning(f"{cell.label}: the student could not be kept: {problem}")

    def _failed(self, one: WorkItem, reason: str) -> None:
        """Records a run that could not be done; of a teacher each run that needs it will say the same."""
        self._events.warning(f"{one.name}: {reason}")
        if one.method == TEACHERS:
            self._agenda.done(one)
            return
        cell, seconds = self._cells[one.name], time.perf_counter() - self._since[one.name]
        command = self._study.request.command
        failed = recording.failed(cell, self._grid, reason, seconds, command)
        self._store.write(failed, study=self._grid.spec.model_dump(mode="json"))
        self._end(one, "failed", "failed", None, seconds)

    def _end(self, one: WorkItem, how: Any, status: str, score: float | None, seconds: float) -> None:
        cell = self._cells[one.name]
        self._locks.pop(one.name).release(done=self._store.has(cell.run_id))
        self._tally.count(how)
        self._agenda.done(one)
        view = self._run_views.pop(one.name, self._events)
        self._start(one.name, view)  # one whose node was lost at once has said nothing
        view.run_finished(one.name, status, score, seconds)


def _on_node(
    order: NodeOrder, shared: Files | None, checkpoint: Checkpoint | None, mailbox: Any
) -> NodeResult:
    """:func:`matekd_bench.study.execute.backends.ray_node.work` with the name of the node that it is done on."""
    import ray

    return work(order, ray.get_runtime_context().get_node_id(), shared, checkpoint, mailbox)


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Ray, connected to the cluster; UsageError where it is not installed or there is no cluster."""
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


def _newest(lock: RunUnderWay) -> Checkpoint | None:
    """The newest whole checkpoint of a run that is kept here."""
    for folder in lock.folders():
        files = files_of(folder)
        files.pop(MANIFEST, None)
        return int(folder.name), files
    return None
