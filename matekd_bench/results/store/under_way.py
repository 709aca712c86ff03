"""Locks and checkpoints of runs that are being trained, in ``runs/.partial`` until they are recorded."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from matekd_bench.errors import ResultsError, file_problem
from matekd_bench.files import safe_names
from matekd_bench.files.durable import CheckpointFolder

PARTIAL = ".partial"
WORKER_LOG = "worker-"  # then the id of the process that started the worker
STALE_SECONDS = 24 * 3600.0  # older temporary files are taken to belong to no running process
STALE_NAMES = (".tmp-*", ".failed-*")
MAX_HOLDER_BYTES = 2**16
NO_LOCK_SUPPORT = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}


class RunUnderWay(CheckpointFolder):
    """The lock and the checkpoints of one run.

    The operating system holds the lock. It is released when the process ends, however that happens, and it works
    between machines on network file systems.
    """

    def __init__(self, root: Path, run_id: str) -> None:
        partial = safe_names.inside(root, root / "runs" / PARTIAL)
        super().__init__(safe_names.inside(root, partial / safe_names.check_name("run id", run_id)))
        self._lock = FileLock(partial / f"{run_id}.lock")
        self._holder_file = partial / f"{run_id}.holder"

    def acquire(self) -> bool:
        """Take the lock of the run. Return False if another process holds it.

        Raises ResultsError if the folder cannot be written.
        """
        try:
            return self._try_lock()
        except OSError as error:
            raise ResultsError(
                file_problem(self.folder.parent, error, "write"),
                hint="Choose another folder with --results DIR.",
            ) from error

    def _try_lock(self) -> bool:
        lock_file = Path(self._lock.lock_file)
        for attempt in range(3):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(lock_file):
                safe_names.check_regular(lock_file)
            try:
                self._lock.acquire(timeout=0)
                break
            except Timeout:
                return False
            except FileNotFoundError:  # another process has just deleted the empty folder: create it again
                if attempt == 2:
                    raise
            except OSError as error:
                if error.errno not in NO_LOCK_SUPPORT:
                    raise
                break  # no locks on this file system: at worst two processes do the same work
        holder = {"host": socket.gethostname(), "pid": os.getpid(), "since": _now()}
        safe_names.write_atomically(self._holder_file, json.dumps(holder).encode())
        return True

    def release(self, *, done: bool) -> None:
        """Release the lock. If the run is `done`, delete its checkpoints and lock file too."""
        with suppress(OSError):  # the disk may have become read-only
            self._holder_file.unlink(missing_ok=True)
        if done:
            self.remove()
            with suppress(OSError):  # Windows cannot delete an open file; a leftover lock file is harmless
                Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()
        with suppress(OSError):
            self.folder.parent.rmdir()  # fails while other runs have files in it

    def holder(self) -> str:
        """Name the process that holds the lock, or "another process" if its holder file cannot be read."""
        try:
            holder = json.loads(safe_names.read_file(self._holder_file, MAX_HOLDER_BYTES))
            return f"process {int(holder['pid'])} on {holder['host']} since {holder['since']}"
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            RecursionError,
        ):  # being written, or already deleted
            return "another process"


def unfinished_run_ids(root: Path) -> set[str]:
    """Return the ids of the runs in a results folder that have checkpoints and no record yet."""
    return {path.name for path in _entries(root, "runs", PARTIAL) if path.is_dir()}


def delete_recorded_leftovers(
    root: Path, is_recorded: Callable[[str], bool], now: float | None = None
) -> None:
    """Delete checkpoints and locks of recorded runs: a process killed right after recording a run leaves them.

    Locks more than a day old go too, if their run has no checkpoint. Runs that another process holds are not touched.
    """
    entries = _entries(root, "runs", PARTIAL)
    unfinished = {path.name for path in entries if path.is_dir()}
    locks = {path.stem for path in entries if path.suffix == ".lock"}
    old = {path.stem for path in entries if path.suffix == ".lock" and _is_stale(path, now)}
    for run_id in unfinished | locks:
        with suppress(ResultsError):  # not the name of a run, a link, or a read-only folder
            under_way = RunUnderWay(root, run_id)
            over = is_recorded(run_id) or run_id in old - unfinished
            if over and under_way.acquire():
                under_way.release(done=True)
    with suppress(OSError, ResultsError):
        safe_names.inside(root, root / "runs" / PARTIAL).rmdir()


def delete_stale_files(root: Path, now: float | None = None) -> None:
    """Delete what killed processes left under `root` more than a day ago: temporary files, and logs of workers.

    Whole runs, checkpoints and records set aside as damaged stay, and so do links and everything that they lead to.
    `now` is the time in seconds since 1970 (default: the current time).
    """
    partial = _entries(root, "runs", PARTIAL)
    checkpoints = [("runs", PARTIAL, path.name) for path in partial if not path.name.startswith(".")]
    for folder in (("runs",), ("data",), ("students",), ("runs", PARTIAL), *checkpoints):
        for path in _entries(root, *folder):
            if any(map(path.match, STALE_NAMES)) and _is_stale(path, now):
                safe_names.delete(path)
    for log in partial:
        if log.match(f"{WORKER_LOG}*.log") and _is_stale(log, now) and not _is_alive(log.stem.split("-")[1]):
            safe_names.delete(log)


def _entries(root: Path, *names: str) -> list[Path]:
    """List a folder inside a results folder, without links; empty if it cannot be read or is reached by a link."""
    try:
        folder = safe_names.inside(root, root.joinpath(*names))
        return [path for path in folder.iterdir() if not path.is_symlink()]
    except (OSError, ResultsError):
        return []


def _is_stale(path: Path, now: float | None) -> bool:
    try:
        return path.lstat().st_mtime <= (time.time() if now is None else now) - STALE_SECONDS
    except OSError:
        return False


def _is_alive(pid: str) -> bool:
    """Return True if this machine has a process with this id, or cannot tell."""
    if os.name != "posix":
        return True
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    except OSError:
        pass  # another user's process
    return True


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
