"""What runs on the machines of a cluster: one run, or what the runs of a task share, without a shared file system."""

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

from matekd_bench.distill.artifacts.artifact_cache import adopt, cache_root, folders_used
from matekd_bench.files.hashing import short_digest
from matekd_bench.results.records.run_record import Tuning
from matekd_bench.results.store.kept_students import KeptStudents
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.execute.backends.in_process import RunExit
from matekd_bench.study.execute.backends.worker import WorkerReports, WorkerSession, WorkerStudy
from matekd_bench.study.execute.interrupts import Interruptions

Files = dict[str, bytes]  # what a folder holds, by relative path
Checkpoint = tuple[int, Files]  # the update that it follows, and what it holds
PROGRESS_SECONDS = 1.0  # between two reports of progress

_desks: dict[
    str, tuple[WorkerSession, NodeReports]
] = {}  # of this process, which works off one order after another
_conditions = ExitStack()  # under which its desk works


@dataclass(frozen=True)
class NodeOrder:
    """A piece of work: a run of a study, or with `prepare` what it shares with the others on its task.

    `inputs` are the files that the study names, `folder` is where it was begun; `place` is a name for the study
    under which things are kept on a node while it lasts.
    """

    study: WorkerStudy
    inputs: Mapping[Path, bytes]
    folder: str
    place: str
    name: str
    task: str
    run_id: str
    tuning: Tuning | None = None
    prepare: bool = False


@dataclass(frozen=True)
class NodeResult:
    """What comes back: the files of the run and of its student, or of the cache folders that its task's runs share."""

    files: Files
    ended: RunExit | None = None
    student: Files = field(default_factory=dict)


def files_of(folder: Path) -> Files:
    """Everything in a folder, by relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Puts files back into a folder; a path that would lead out of it is an error."""
    for name, content in files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"'{name}' leads out of its folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def work(
    order: NodeOrder, node: str, shared: Files | None, checkpoint: Checkpoint | None, mailbox: Any
) -> NodeResult:
    """Does one piece of work on this node and returns what came of it; `shared` is what the task's runs share."""
    home = Path(tempfile.gettempdir()) / f"matekd-bench-{order.place}-{node}"
    os.environ["MATEKD_BENCH_CACHE"] = str(home / "cache")
    if os.path.isdir(order.folder):  # so that relative paths mean the same wherever they exist
        os.chdir(order.folder)
    adopt(shared or {})
    store = ResultsStore(home / "results")
    desk, mail = _desk(order, home, store)
    mail.address(mailbox, order.name)
    if order.prepare:
        with folders_used() as used:
            desk.prepare(order.task, order.run_id)
        return NodeResult(shared_files([folder.relative_to(cache_root()).as_posix() for folder in used]))
    return _train(order, desk, checkpoint)


def shared_files(folders: Sequence[str]) -> Files:
    """The files of these folders of the cache, as :func:`adopt` takes them."""
    return {
        f"{folder}/{name}": content
        for folder in folders
        for name, content in files_of(cache_root() / folder).items()
    }


def _train(order: NodeOrder, desk: WorkerSession, checkpoint: Checkpoint | None) -> NodeResult:
    run_id, store = order.run_id, desk.store(order.task, order.run_id)
    if checkpoint is not None:
        update, files = checkpoint
        store.under_way(run_id).save(update, lambda folder: write_files(folder, files))
    while (
        ended := desk.take(order.task, run_id, order.tuning)
    ) is None:  # an earlier try that is still ending here
        time.sleep(PROGRESS_SECONDS)
    student = KeptStudents(store.root).folder(run_id)
    done = NodeResult(files_of(store.runs / run_id), ended, files_of(student))
    shutil.rmtree(
        student, ignore_errors=True
    )  # the record stays: a run whose answer is lost is not trained twice
    return done


def _desk(order: NodeOrder, home: Path, store: ResultsStore) -> tuple[WorkerSession, NodeReports]:
    """The desk of this study in this process; the files that the study names are laid down beside it."""
    key = order.study.to_json()
    if key not in _desks:
        _desks.clear()
        _conditions.close()
        mail = NodeReports()
        desk = WorkerSession(
            _with_inputs(order, home / "inputs"), store, mail, Interruptions(),
            saved=lambda update, folder: mail.send("checkpoint", update, files_of(folder)),
        )  # fmt: skip
        _conditions.enter_context(desk.open())
        _desks[key] = desk, mail
    return _desks[key]


def _with_inputs(order: NodeOrder, home: Path) -> WorkerStudy:
    """The study with the files that it names laid down in `home`."""
    given = {}
    for path, content in order.inputs.items():
        given[path] = home / short_digest(content.hex()) / path.name
        write_files(given[path].parent, {path.name: content})
    request = order.study.request
    config = None if request.config is None else given[request.config]
    plugins = tuple(given[path] for path in order.study.plugins)
    return replace(order.study, request=replace(request, config=config), plugins=plugins)


class NodeReports(WorkerReports):
    """Reports as mail to the driver, progress at most once a second."""

    def __init__(self) -> None:
        self._mailbox: Any = None
        self._name, self._last = "", 0.0
        self._withheld: tuple[Any, ...] | None = None

    def address(self, mailbox: Any, name: str) -> None:
        """From here on reports are about the work of this name."""
        self._mailbox, self._name, self._withheld = mailbox, name, None

    def report(self, kind: str, *values: Any) -> None:
        """Sent, unless it is progress too soon after the last."""
        now, withheld = time.monotonic(), self._withheld
        self._withheld = None
        if kind == "progress" and now - self._last < PROGRESS_SECONDS:
            self._withheld = values
            return
        if kind == "progress":
            self._last = now
        elif withheld is not None:  # an evaluation is told with what it came after
            self.send("progress", *withheld)
        self.send(kind, *values)

    def send(self, kind: str, *values: Any) -> None:
        """Sent at once."""
        self._mailbox.put.remote(self._name, [kind, *values])


class ReportMailbox:
    """An actor on the driver's node that keeps the mail until the driver asks for it."""

    def __init__(self) -> None:
        self._mail: list[tuple[str, list[Any]]] = []

    def put(self, name: str, report: list[Any]) -> None:
        """One more."""
        self._mail.append((name, report))

    def take(self) -> list[tuple[str, list[Any]]]:
        """All of it."""
        mail, self._mail = self._mail, []
        return mail
