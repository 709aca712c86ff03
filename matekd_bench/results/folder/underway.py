"""Runs that are under way: who trains which, and their checkpoints, in ``runs/.partial`` until they are recorded."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from matekd_bench.errors import ResultsError
from matekd_bench.hashing import file_digest
from matekd_bench.results import files

PARTIAL, MANIFEST = ".partial", "manifest.json"
KEPT = 2  # checkpoints: the newest, and one more in case that the newest is damaged
STALE_SECONDS = 24 * 3600.0  # after which what a killed process left is nobody's
NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}


class RunUnderWay:
    """One run's lock and its checkpoints.

    The lock is the operating system's: it ends with the process that holds it, however that dies, and holds between
    machines on network file systems. `problem` says what kept the last checkpoint from being saved, None if nothing.
    """

    def __init__(self, root: Path, run_id: str) -> None:
        home = files.inside(root, root / "runs" / PARTIAL)
        self.folder = files.inside(root, home / files.check_name("run id", run_id))
        self.problem: str | None = None
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
        files.write_atomically(self._card, json.dumps(name).encode())
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

    def save(self, update: int, write: Callable[[Path], None]) -> None:
        """Keeps what `write` puts into an empty folder as the checkpoint of `update`, and the one before it.

        A disk that refuses it costs the checkpoint, not the run: `problem` then says why.
        """
        target = self.folder / f"{update:09d}"
        temporary = files.beside(target, "tmp")
        try:
            temporary.mkdir(parents=True)
            write(temporary)
            _seal(temporary)
            shutil.rmtree(target, ignore_errors=True)
            temporary.rename(target)
            files.sync_folder(self.folder)
            self.problem = None
        except OSError as error:
            self.problem = str(error.strerror or error)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        for old in self._all()[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)

    def folders(self) -> Iterator[Path]:
        """The whole checkpoints, the newest first."""
        return (folder for folder in self._all() if _whole(folder))

    def remove(self) -> None:
        """Takes all checkpoints away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _all(self) -> list[Path]:
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        return sorted((path for path in found if path.name.isdigit()), reverse=True)


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


def _seal(folder: Path) -> None:
    """Waits until the disk has every file, and writes down their digests, last."""
    for path in folder.iterdir():
        files.sync_file(path)
    digests = {path.name: file_digest(path) for path in sorted(folder.iterdir())}
    files.write_synced(folder / MANIFEST, json.dumps(digests).encode())
    files.sync_folder(folder)


def _whole(folder: Path) -> bool:
    """Whether every file of a checkpoint is as it was written."""
    try:
        digests = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return all(file_digest(folder / Path(name).name) == digest for name, digest in digests.items())
    except (OSError, ValueError, AttributeError):
        return False


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
