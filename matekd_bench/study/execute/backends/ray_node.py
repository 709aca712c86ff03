"""Executes orders on the nodes of a Ray cluster: trains a run, or prepares the files that the runs of a task share.

No shared file system is needed: all files come with the order and go back with the result.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from matekd_bench.distill.artifacts.artifact_cache import cache_root, import_folders
from matekd_bench.events import Event, Progress, Sink, as_json
from matekd_bench.files.hashing import short_digest
from matekd_bench.results.records import dev_set
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.students_folder import KeptStudents
from matekd_bench.study.execute.backends.worker import RemoteRunner
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.orders import Order, OrderEnd
from matekd_bench.study.execute.runner import RunSink
from matekd_bench.study.execute.study_session import SharedStudy, StudySession

Files = dict[str, bytes]  # the contents of a folder's files, by relative path
Checkpoint = tuple[int, Files]  # the update after which it was saved, and its files
PROGRESS_SECONDS = 1.0  # between two reports of progress

# Ray runs one order after another in this process. The session of the latest study stays open for the next order.
_sessions: dict[str, tuple[RemoteRunner, NodeSink]] = {}  # by the study as JSON; one at most
_session_context = ExitStack()  # holds the open session


@dataclass(frozen=True)
class NodeOrder:
    """An order for a node, with everything that it needs.

    `inputs` are the plugin files of the study, by path. `working_folder` is the folder in which the study was started.
    `study_key` names the study's folder on a node.
    """

    order: Order
    study: SharedStudy
    inputs: Mapping[Path, bytes]
    working_folder: str
    study_key: str


@dataclass(frozen=True)
class NodeResult:
    """The end of an order on a node.

    `files` are those of the run. For a preparation they are those of the cache folders that the task's runs share.
    `student` holds the files of the student if it is kept, and `sets` the labels of the further sets on which it was
    scored.
    """

    end: OrderEnd
    files: Files
    student: Files = field(default_factory=dict)
    sets: Files = field(default_factory=dict)


def files_of(folder: Path) -> Files:
    """Read all files in a folder and its subfolders, by relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder; raise ValueError for a path that points outside it."""
    for name, content in files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"'{name}' points outside its folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def execute_order(
    node_order: NodeOrder, node: str, shared: Files | None, checkpoint: Checkpoint | None, mailbox: Any
) -> NodeResult:
    """Execute an order on the node with the id `node`, and return the result.

    `shared` holds the files that the task's runs share; `checkpoint` is the one to resume from.
    """
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # a node has no keyboard, so a KeyboardInterrupt comes from a method
    home = Path(tempfile.gettempdir()) / f"matekd-bench-{node_order.study_key}-{node}"
    os.environ["MATEKD_BENCH_CACHE"] = str(home / "cache")
    if os.path.isdir(node_order.working_folder):  # so that relative paths mean the same as for the driver
        os.chdir(node_order.working_folder)
    import_folders(shared or {})
    remote, sink = _session_of(node_order, home)
    sink.mailbox = mailbox
    order = node_order.order
    if order.prepares:
        end = remote.execute(order)
        folders = remote.runner(order).cached_folders(order)
        paths = [folder.relative_to(cache_root()).as_posix() for folder in folders]
        return NodeResult(end, shared_files(paths))
    return _train(order, remote, checkpoint)


def shared_files(folders: Sequence[str]) -> Files:
    """Read the files of these cache folders, in the form that :func:`import_folders` takes."""
    return {
        f"{folder}/{name}": content
        for folder in folders
        for name, content in files_of(cache_root() / folder).items()
    }


def _train(order: Order, remote: RemoteRunner, checkpoint: Checkpoint | None) -> NodeResult:
    """Train the run of an order, from the checkpoint if there is one."""
    run_id, store = order.run_id, remote.runner(order).store
    if checkpoint is not None:
        update, files = checkpoint
        store.under_way(run_id).save(update, files)
    # An earlier try of the run on this node may still be running and hold its lock.
    while (end := remote.execute(order)).kind == "held":
        time.sleep(PROGRESS_SECONDS)
    students = KeptStudents(store.root)
    result = NodeResult(
        end, files_of(store.runs / run_id), files_of(students.folder(run_id)), _sets_of(run_id, store)
    )
    # The record stays on the node, so that a run whose result is lost is not trained twice.
    students.remove(run_id)
    return result


def _sets_of(run_id: str, store: ResultsStore) -> Files:
    """Read the labels of the further sets that a run was scored on; a perturbed set is known on its node alone."""
    digests = [info.digest for scores in store.read(run_id).also for info in scores.splits.values()]
    return {digest: dev_set.to_json(store.read_data(digest)).encode() for digest in digests}


def _session_of(node_order: NodeOrder, home: Path) -> tuple[RemoteRunner, NodeSink]:
    """Return this process's session of the order's study, opened first if necessary, with its inputs in `home`."""
    key = node_order.study.to_json()
    if key not in _sessions:
        _sessions.clear()
        _session_context.close()
        sink = NodeSink()
        session = StudySession(_with_inputs(node_order, home / "inputs"), sink)
        remote = RemoteRunner(
            session, ResultsStore(home / "results"), sink, Interruptions(),
            on_checkpoint=lambda update, folder: sink.send("checkpoint", update, files_of(folder)),
        )  # fmt: skip
        _session_context.enter_context(session.open())
        _sessions[key] = remote, sink
    return _sessions[key]


def _with_inputs(node_order: NodeOrder, home: Path) -> SharedStudy:
    """Write the order's plugin files into `home`, and return the study with their paths replaced."""
    local_paths = {}
    for path, content in node_order.inputs.items():
        # One folder per content: files with the same name but different contents do not collide.
        local_paths[path] = home / short_digest(content.hex()) / path.name
        write_files(local_paths[path].parent, {path.name: content})
    plugins = tuple(local_paths[path] for path in node_order.study.plugins)
    return replace(node_order.study, plugins=plugins)


class NodeSink(RunSink):
    """A sink that sends events to the driver's mailbox, progress at most once in PROGRESS_SECONDS."""

    def __init__(self) -> None:
        super().__init__(Sink())
        self.mailbox: Any = None
        self._last_progress = 0.0

    def emit(self, event: Event) -> None:
        """Send an event, unless it is progress that comes too soon after the last report."""
        if isinstance(event, Progress):
            if time.monotonic() - self._last_progress < PROGRESS_SECONDS:
                return
            self._last_progress = time.monotonic()
        self.send("event", as_json(self.about_run(event)))

    def send(self, kind: str, *values: Any) -> None:
        """Send a report on the current run."""
        self.mailbox.put.remote(self.run_id, [kind, *values])


class ReportMailbox:
    """A Ray actor on the driver's node that keeps reports until the driver takes them."""

    def __init__(self) -> None:
        self._reports: list[tuple[str, list[Any]]] = []

    def put(self, run_id: str, report: list[Any]) -> None:
        """Add a report on a run."""
        self._reports.append((run_id, report))

    def flush(self) -> None:
        """Do nothing; when this returns, all earlier reports of the caller have arrived, as Ray keeps their order."""

    def take(self) -> list[tuple[str, list[Any]]]:
        """Remove and return all reports, each with the id of its run."""
        reports, self._reports = self._reports, []
        return reports
