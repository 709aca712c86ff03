"""Locks and checkpoints of runs that are being trained, in ``runs/.partial`` until they are recorded."""

from __future__ import annotations

import errno
import json
import os
import shutil
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
STALE_SECONDS = 24 * 3600.0  # older temporary files are taken to belong to no running process
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
        for attempt in range(3):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
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
            holder = json.loads(self._holder_file.read_text(encoding="utf-8"))
            return f"process {int(holder['pid'])} on {holder['host']} since {holder['since']}"
        except (OSError, ValueError, KeyError, TypeError):  # being written, or already deleted
            return "another process"


def unfinished_run_ids(root: Path) -> set[str]:
    """Return the ids of the runs in a results folder that have checkpoints and no record yet."""
    try:
        return {path.name for path in (root / "runs" / PARTIAL).iterdir() if path.is_dir()}
    except OSError:  # no run was ever interrupted here
        return set()


def delete_recorded_leftovers(root: Path, is_recorded: Callable[[str], bool]) -> None:
    """Delete checkpoints and locks of recorded runs: a process killed right after recording a run leaves them.

    Runs that another process holds are not touched.
    """
    partial = root / "runs" / PARTIAL
    for run_id in {path.name.partition(".")[0] for path in partial.glob("[!.]*")}:
        with suppress(ResultsError):  # not the name of a run, or a read-only folder
            under_way = RunUnderWay(root, run_id)
            if is_recorded(run_id) and under_way.acquire():
                under_way.release(done=True)
    with suppress(OSError):
        partial.rmdir()


def delete_stale_files(root: Path, now: float | None = None) -> None:
    """Delete temporary files and folders under `root` that killed processes left more than a day ago.

    Whole runs, checkpoints and records set aside as damaged stay. `now` is the time in seconds since 1970 (default:
    the current time). Files and folders that are links stay.
    """
    limit = (time.time() if now is None else now) - STALE_SECONDS
    for folder in (root / "runs", root / "data", root / "students", *(root / "runs" / PARTIAL).glob("*/")):
        for path in (*folder.glob(".tmp-*"), *folder.glob(".failed-*"), *folder.glob(".trial-*")):
            with suppress(OSError):
                if path.is_symlink() or path.lstat().st_mtime > limit:
                    continue
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
