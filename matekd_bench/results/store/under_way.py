"""Runs that are under way: who trains which, and their checkpoints, in ``runs/.partial`` until they are recorded."""

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

from matekd_bench.errors import ResultsError
from matekd_bench.files import safe_names
from matekd_bench.files.durable import CheckpointFolder

PARTIAL = ".partial"
STALE_SECONDS = 24 * 3600.0  # after which what a killed process left is nobody's
NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}


class RunUnderWay(CheckpointFolder):
    """One run's lock and its checkpoints.

    The lock is the operating system's: it ends with the process that holds it, however that dies, and holds between
    machines on network file systems.
    """

    def __init__(self, root: Path, run_id: str) -> None:
        home = safe_names.inside(root, root / "runs" / PARTIAL)
        super().__init__(safe_names.inside(root, home / safe_names.check_name("run id", run_id)))
        self._lock = FileLock(home / f"{run_id}.lock")
        self._card = home / f"{run_id}.holder"

    def acquire(self) -> bool:
        """Takes the run for this process; False where another one has it.

        Raises ResultsError where nothing can be written.
        """
        try:
            return self._acquire()
        except OSError as error:
            raise ResultsError(
                f"{self.folder.parent} cannot be written: {error.strerror or error}.",
                hint="Choose another folder with --results DIR.",
            ) from error

    def _acquire(self) -> bool:
        for attempt in range(3):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=0)
                break
            except Timeout:
                return False
            except FileNotFoundError:  # another process has just cleared the folder away
                if attempt == 2:
                    raise
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
                break  # a file system without locks: nobody is kept out, and nothing worse than double work
        name = {"host": socket.gethostname(), "pid": os.getpid(), "since": _now()}
        safe_names.write_atomically(self._card, json.dumps(name).encode())
        return True

    def release(self, *, done: bool) -> None:
        """Gives the run back; where it is `done`, nothing of it stays here."""
        with suppress(OSError):  # a disk that can no longer be written
            self._card.unlink(missing_ok=True)
        if done:
            self.remove()
            with suppress(OSError):  # Windows: not while it is open. Left there it does no harm
                Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()
        with suppress(OSError):
            self.folder.parent.rmdir()  # if this was the last

    def holder(self) -> str:
        """Who trains this run, as far as it is known."""
        try:
            name = json.loads(self._card.read_text(encoding="utf-8"))
            return f"process {int(name['pid'])} on {name['host']} since {name['since']}"
        except (OSError, ValueError, KeyError, TypeError):  # just being written, or already gone
            return "another process"


def sweep(root: Path, done: Callable[[str], bool]) -> None:
    """Takes away what a process that was killed at the end of a run left of it: `done` says whether it is recorded."""
    home = root / "runs" / PARTIAL
    for run_id in {path.name.partition(".")[0] for path in home.glob("[!.]*")}:
        with suppress(ResultsError):  # a name that no run has, or a folder that can only be read
            under_way = RunUnderWay(root, run_id)
            if done(run_id) and under_way.acquire():
                under_way.release(done=True)
    with suppress(OSError):
        home.rmdir()


def tidy(root: Path, now: float | None = None) -> None:
    """Takes away what killed processes left half-written under `root` more than a day ago.

    Whole runs, checkpoints and damaged records that were put aside stay.
    """
    limit = (time.time() if now is None else now) - STALE_SECONDS
    for place in (root / "runs", root / "data", root / "students", *(root / "runs" / PARTIAL).glob("*/")):
        for left in (*place.glob(".tmp-*"), *place.glob(".failed-*"), *place.glob(".trial-*")):
            with suppress(OSError):
                if left.is_symlink() or left.lstat().st_mtime > limit:
                    continue
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
