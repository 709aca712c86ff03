"""Executes orders on a Ray cluster, one Ray task per order; this process stores records and checkpoints."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from matekd_bench.distill.artifacts.artifact_cache import import_folders
from matekd_bench.errors import ResultsError, UsageError
from matekd_bench.events import Message, Sink, from_json
from matekd_bench.extras import missing_package
from matekd_bench.files.durable import MANIFEST
from matekd_bench.files.hashing import short_digest
from matekd_bench.results.records import dev_set
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.students_folder import KeptStudents
from matekd_bench.results.store.under_way import RunUnderWay
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
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.orders import Order, OrderEnd
from matekd_bench.study.execute.runner import write_data
from matekd_bench.study.execute.study_session import SharedStudy
from matekd_bench.study.plan.estimate import plan_work, uses_generator
from matekd_bench.study.plan.grid import Cell, Grid
from matekd_bench.study.plan.work_items import Shared, WorkItem, preparation_id

WATCH_SECONDS = 0.5  # between two checks for results, reports and signals
MAX_IN_FLIGHT = 1000  # orders that are submitted to the cluster at a time
MAX_TRIES = 5  # of an order whose node is lost each time


class RayCluster:
    """A backend that executes orders as Ray tasks.

    If a node is lost, its runs resume on another node from their last checkpoints. No shared file system is needed:
    the files that the runs of a task share are sent from this machine's cache, and checkpoints and records come back
    to its results folder.
    """

    def __init__(
        self, study: SharedStudy, grid: Grid, store: ResultsStore, interruptions: Interruptions
    ) -> None:
        self._study, self._grid, self._store = study, grid, store
        self._interruptions = interruptions
        self._locks: dict[str, RunUnderWay] = {}  # by run id
        self._shared: dict[str, Any] = {}  # by task: a Ray reference to the files that its runs share
        self._tries: Counter[str] = Counter()
        self._in_flight: dict[Any, Order] = {}  # by Ray reference
        self._submitted_at: dict[str, float] = {}  # by order id
        self._ended: list[OrderEnd] = []  # without a Ray task

    @contextmanager
    def open(self, cells: Sequence[Cell], sink: Sink) -> Iterator[None]:
        """Connect to the cluster, and set up its mailbox and the files that orders need."""
        self._cells, self._sink = {cell.run_id: cell for cell in cells}, sink
        self._interruptions.stop_requested()  # defers signals: the scheduler asks for them
        with _connected(self._study.request.execution.ray_address) as ray:
            self._ray = ray
            this_node = ray.get_runtime_context().get_node_id()
            on_this_node = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
                this_node, soft=False
            )
            self._mailbox = ray.remote(num_cpus=0, scheduling_strategy=on_this_node)(ReportMailbox).remote()
            self._remote_function = ray.remote(max_retries=0)(
                _execute_on_node
            )  # lost orders are submitted here
            self._inputs = {path: path.read_bytes() for path in self._study.plugins}
            self._study_key = short_digest([self._study.to_json(), os.getpid(), time.time()])
            try:
                yield
            finally:
                for lock in self._locks.values():
                    lock.release(done=False)

    def work(self) -> list[WorkItem]:
        """Return the runs, and an item for each task whose shared files are not in this machine's cache.

        Shared files that are in the cache are handed to Ray.
        """
        work = plan_work(list(self._cells.values()), self._store.records()).items
        planned = {item.id: item for item in work}
        awaited = {item.task: [planned[name] for name in item.waits_for] for item in work if item.waits_for}
        generator = any(map(uses_generator, self._grid.cells))
        preparations: dict[str, WorkItem] = {}
        for cell in self._cells.values():
            task = cell.data.task.name
            if task in self._shared or task in preparations:
                continue
            if (files := cached_artifacts(cell, generator=generator)) is not None:
                self._shared[task] = self._ray.put(files)
            else:
                name = preparation_id("teacher", task)
                made: tuple[Shared, ...] = ("teacher", "generator") if generator else ("teacher",)
                seconds = sum(item.seconds for item in awaited.get(task, ()))
                preparations[task] = WorkItem(name, task, seconds, prepares=made)
        runs = (planned[run_id] for run_id in self._cells)
        return [
            *preparations.values(),
            *(
                replace(run, waits_for=frozenset(item.id for item in (preparations.get(run.task),) if item))
                for run in runs
            ),
        ]

    def has_room(self, work: WorkItem) -> bool:
        """Return True unless MAX_IN_FLIGHT orders are already submitted."""
        return len(self._in_flight) < MAX_IN_FLIGHT

    @property
    def preferred_task(self) -> str | None:
        """None: Ray decides where an order is executed."""
        return None

    def start(self, order: Order) -> None:
        """Submit an order; a run that is already recorded, or that another process holds, ends at once."""
        end = None if order.prepares else self._reserve(order)
        if end is not None:
            self._ended.append(end)
        else:
            self._submit(order)

    def _reserve(self, order: Order) -> OrderEnd | None:
        """Lock the run until its result is back; return the end of the order if it cannot be locked."""
        lock = self._store.under_way(order.run_id)
        if not lock.acquire():
            return OrderEnd(order, "held")
        if self._store.has(order.run_id):
            lock.release(done=True)
            record = self._store.read(order.run_id)
            return OrderEnd(order, "elsewhere", record.status, record.last_score)
        self._locks[order.run_id] = lock
        return None

    def _submit(self, order: Order) -> None:
        """Submit an order as a Ray task; a run is sent with its newest checkpoint."""
        node_order = NodeOrder(order, self._study, self._inputs, os.getcwd(), self._study_key)
        checkpoint = None if order.prepares else _newest_checkpoint(self._locks[order.run_id])
        remote_function = self._remote_function.options(name=order.id, **self._ray_resources())
        ref = remote_function.remote(node_order, self._shared.get(order.task), checkpoint, self._mailbox)
        self._in_flight[ref] = order
        self._submitted_at[order.id] = time.perf_counter()

    def _ray_resources(self) -> dict[str, Any]:
        """Return the resources of one order as arguments for Ray."""
        resources = self._study.request.execution.resources
        arguments: dict[str, Any] = {"num_cpus": self._grid.threads or resources.cpus}
        if self._grid.device.type == "cuda":
            arguments["num_gpus"] = resources.gpus
        if resources.memory_gib is not None:
            arguments["memory"] = int(resources.memory_gib * 2**30)  # Ray counts bytes
        return arguments

    def wait(self) -> list[OrderEnd]:
        """Wait for results, pass on the events from the nodes, and store the results that have come back."""
        ended, self._ended = self._ended, []
        if not self._in_flight:
            time.sleep(0.0 if ended else WATCH_SECONDS)
            return ended
        ready, _ = self._ray.wait(list(self._in_flight), timeout=WATCH_SECONDS)
        for run_id, report in self._ray.get(self._mailbox.take.remote()):
            match report:
                case ["event", event]:
                    self._sink.emit(from_json(event))
                case ["checkpoint", update, files] if run_id in self._locks:
                    self._locks[run_id].save(
                        update, files
                    )  # on this machine it survives the loss of its node
        results = [self._result(ref, self._in_flight.pop(ref)) for ref in ready]
        return [*ended, *(end for end in results if end is not None)]

    def _result(self, ref: Any, order: Order) -> OrderEnd | None:
        """Store the result of a Ray task and return the end of its order; None if the order is submitted again."""
        from ray.exceptions import RayError, RayTaskError

        try:
            result: NodeResult = self._ray.get(ref)
            return self._share(order, result) if order.prepares else self._store_run(order, result)
        except RayTaskError as error:  # not an error of the method: those are recorded on the node
            return self._lost(order, " ".join(str(error.cause or error).split()))
        except ResultsError as error:
            return self._lost(order, str(error))
        except RayError as error:
            self._tries[order.id] += 1
            if self._tries[order.id] >= MAX_TRIES:
                return self._lost(order, f"its node was lost {MAX_TRIES} times ({type(error).__name__})")
            name = order.id if order.prepares else self._cells[order.run_id].label
            text = f"{name}: its node was lost ({type(error).__name__}); it moves to another node"
            self._sink.emit(Message(kind="warning", text=text, run_id=order.run_id))
            self._submit(order)
            return None

    def _share(self, order: Order, result: NodeResult) -> OrderEnd:
        """Put the files that the runs of a task share into this machine's cache, and hand them to Ray."""
        import_folders(result.files)
        self._shared[order.task] = self._ray.put(result.files)
        return OrderEnd(order, "prepared")

    def _store_run(self, order: Order, result: NodeResult) -> OrderEnd:
        """Store the student and the record of a run that has ended on a node."""
        cell = self._cells[order.run_id]
        write_data(cell, self._store)
        for devset in map(dev_set.from_json, result.sets.values()):
            self._store.write_data(
                devset.digest, task=devset.task, split=devset.split, uids=devset.uids, labels=devset.labels
            )
        if result.student:
            self._keep_student(cell, result.student)
        record = self._store.import_run(cell.run_id, result.files)
        lock = self._locks.pop(order.run_id)
        if record.status == "failed":
            lock.remove()  # a failed run starts over when it is tried again
        lock.release(done=self._store.has(cell.run_id))
        # "trained" even if an earlier try of this study left the record on the node.
        return replace(result.end, order=order, kind="failed" if record.status == "failed" else "trained")

    def _keep_student(self, cell: Cell, files: Files) -> None:
        """Save the student on this machine, before the record: a recorded run should have its student."""
        problem = KeptStudents(self._store.root).keep(cell.run_id, lambda folder: write_files(folder, files))
        if problem is not None:
            text = f"{cell.label}: the student could not be kept: {problem}"
            self._sink.emit(Message(kind="warning", text=text, run_id=cell.run_id))

    def _lost(self, order: Order, reason: str) -> OrderEnd:
        if order.run_id in self._locks and not order.prepares:
            self._locks.pop(order.run_id).release(done=False)
        seconds = time.perf_counter() - self._submitted_at[order.id]
        return OrderEnd(order, "lost", seconds=seconds, reason=reason)

    def stop(self) -> list[OrderEnd]:
        """Return nothing: interrupted runs resume from their last checkpoints."""
        return []

    def forget(self, task: str) -> None:
        """Free the files that the runs of a task share."""
        self._shared.pop(task, None)


def _execute_on_node(
    order: NodeOrder, shared: Files | None, checkpoint: Checkpoint | None, mailbox: Any
) -> NodeResult:
    """Call :func:`matekd_bench.study.execute.backends.ray_node.execute_order` with the id of this node."""
    import ray

    result = execute_order(order, ray.get_runtime_context().get_node_id(), shared, checkpoint, mailbox)
    ray.get(mailbox.flush.remote())  # so that no event of a run comes after its end
    return result


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Yield the module `ray`, connected to the cluster; raise UsageError without Ray or without a cluster."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError:
        raise missing_package("--executor ray", "ray") from None
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"there is no Ray cluster at '{address}' ({reason}):", hint="'ray start --head' starts one."
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _newest_checkpoint(lock: RunUnderWay) -> Checkpoint | None:
    """Return the run's newest complete checkpoint on this machine; None if there is none."""
    for folder in lock.folders():
        files = files_of(folder)
        files.pop(MANIFEST, None)
        return int(folder.name), files
    return None
