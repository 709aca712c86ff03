"""Executes orders on the nodes of a Ray cluster: trains one run, or makes what the runs of a task share.

No shared file system is needed: all files come with the order and go back with the result.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from matekd_bench.distill.artifacts.artifact_cache import cache_root, import_folders
from matekd_bench.files.hashing import short_digest
from matekd_bench.results.records.run_record import Tuning
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.students_folder import KeptStudents
from matekd_bench.study.execute.backends.in_process import RunExit
from matekd_bench.study.execute.backends.worker import WorkerReports, WorkerSession, WorkerStudy
from matekd_bench.study.execute.interrupts import Interruptions

Files = dict[str, bytes]  # the contents of the files of a folder, by relative path
Checkpoint = tuple[int, Files]  # the update after which it was saved, and its files
PROGRESS_SECONDS = 1.0  # between two reports of progress

# Ray runs one order after another in this process. The session of the latest study stays open for the next order.
_sessions: dict[str, tuple[WorkerSession, NodeReports]] = {}  # by the study as JSON; one at most
_session_context = ExitStack()  # holds the open session


@dataclass(frozen=True)
class NodeOrder:
    """An order for a node: train a run or, with `prepare`, make what the runs on its task share.

    `inputs` are the files that the study names (config and plugins), by path. `working_folder` is the folder in which
    the study was started. `study_key` names the study's folder on a node. `name` is the name of the work item.
    """

    study: WorkerStudy
    inputs: Mapping[Path, bytes]
    working_folder: str
    study_key: str
    name: str
    task: str
    run_id: str
    tuning: Tuning | None = None
    prepare: bool = False


@dataclass(frozen=True)
class NodeResult:
    """The answer to an order.

    `files` are those of the run or, for `prepare`, of the cache folders that the task's runs share. `run_exit` is None
    for `prepare`. `student` holds the files of the student, if it is kept.
    """

    files: Files
    run_exit: RunExit | None = None
    student: Files = field(default_factory=dict)


def files_of(folder: Path) -> Files:
    """Read all files in a folder and its subfolders, by relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder; raise ValueError for a path that leads out of it."""
    for name, content in files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"'{name}' leads out of its folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def execute_order(
    order: NodeOrder, node: str, shared: Files | None, checkpoint: Checkpoint | None, mailbox: Any
) -> NodeResult:
    """Execute an order on the node with the id `node`, and return the result.

    `shared` holds the files that the task's runs share, `checkpoint` the one to resume from.
    """
    home = Path(tempfile.gettempdir()) / f"matekd-bench-{order.study_key}-{node}"
    os.environ["MATEKD_BENCH_CACHE"] = str(home / "cache")
    if os.path.isdir(order.working_folder):  # so that relative paths mean the same as for the driver
        os.chdir(order.working_folder)
    import_folders(shared or {})
    store = ResultsStore(home / "results")
    session, reports = _session_of(order, home, store)
    reports.set_recipient(mailbox, order.name)
    if order.prepare:
        folders = session.prepare(order.task, order.run_id)
        return NodeResult(shared_files([folder.relative_to(cache_root()).as_posix() for folder in folders]))
    return _train(order, session, checkpoint)


def shared_files(folders: Sequence[str]) -> Files:
    """Read the files of these cache folders, in the form that :func:`import_folders` takes."""
    return {
        f"{folder}/{name}": content
        for folder in folders
        for name, content in files_of(cache_root() / folder).items()
    }


def _train(order: NodeOrder, session: WorkerSession, checkpoint: Checkpoint | None) -> NodeResult:
    """Train the run of an order, from the checkpoint if there is one."""
    run_id, store = order.run_id, session.store(order.task, order.run_id)
    if checkpoint is not None:
        update, files = checkpoint
        store.under_way(run_id).save(update, lambda folder: write_files(folder, files))
    # An earlier try of the run on this node may not have ended yet and still hold its lock.
    while (run_exit := session.train(order.task, run_id, order.tuning)) is None:
        time.sleep(PROGRESS_SECONDS)
    student = KeptStudents(store.root).folder(run_id)
    result = NodeResult(files_of(store.runs / run_id), run_exit, files_of(student))
    # The record stays on the node, so that a run whose result is lost is not trained twice.
    shutil.rmtree(student, ignore_errors=True)
    return result


def _session_of(order: NodeOrder, home: Path, store: ResultsStore) -> tuple[WorkerSession, NodeReports]:
    """Return this process's session of the order's study; open it first, with its input files in `home`."""
    key = order.study.to_json()
    if key not in _sessions:
        _sessions.clear()
        _session_context.close()
        reports = NodeReports()
        session = WorkerSession(
            _with_inputs(order, home / "inputs"), store, reports, Interruptions(),
            on_checkpoint=lambda update, folder: reports.send("checkpoint", update, files_of(folder)),
        )  # fmt: skip
        _session_context.enter_context(session.open())
        _sessions[key] = session, reports
    return _sessions[key]


def _with_inputs(order: NodeOrder, home: Path) -> WorkerStudy:
    """Write the order's input files into `home`, and return the study with the paths replaced."""
    local_paths = {}
    for path, content in order.inputs.items():
        # A folder per content: files of one name but different contents do not collide.
        local_paths[path] = home / short_digest(content.hex()) / path.name
        write_files(local_paths[path].parent, {path.name: content})
    request = order.study.request
    config = None if request.config is None else local_paths[request.config]
    plugins = tuple(local_paths[path] for path in order.study.plugins)
    return replace(order.study, request=replace(request, config=config), plugins=plugins)


class NodeReports(WorkerReports):
    """A watcher that sends its reports to the driver's mailbox, progress at most once in PROGRESS_SECONDS."""

    def __init__(self) -> None:
        self._mailbox: Any = None
        self._work_name, self._last_progress = "", 0.0
        self._withheld_progress: tuple[Any, ...] | None = None

    def set_recipient(self, mailbox: Any, work_name: str) -> None:
        """Send the following reports to `mailbox`, as reports on the work item of this name."""
        self._mailbox, self._work_name, self._withheld_progress = mailbox, work_name, None

    def report(self, kind: str, *values: Any) -> None:
        """Send a report; withhold progress that comes too soon after the last."""
        now, withheld = time.monotonic(), self._withheld_progress
        self._withheld_progress = None
        if kind == "progress" and now - self._last_progress < PROGRESS_SECONDS:
            self._withheld_progress = values
            return
        if kind == "progress":
            self._last_progress = now
        elif withheld is not None:  # an evaluation event gets its numbers from the progress before it
            self.send("progress", *withheld)
        self.send(kind, *values)

    def send(self, kind: str, *values: Any) -> None:
        """Send a report at once."""
        self._mailbox.put.remote(self._work_name, [kind, *values])


class ReportMailbox:
    """A Ray actor on the driver's node that keeps reports until the driver takes them."""

    def __init__(self) -> None:
        self._reports: list[tuple[str, list[Any]]] = []

    def put(self, name: str, report: list[Any]) -> None:
        """Add a report on the work item of this name."""
        self._reports.append((name, report))

    def take(self) -> list[tuple[str, list[Any]]]:
        """Remove and return all reports, each with the name of its work item."""
        reports, self._reports = self._reports, []
        return reports
