"""Temporary folders that the operating system marks as in use, so that those of killed processes can be deleted."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from matekd_bench.files.regular import delete

PREFIX = "matekd-bench-scratch-"
YOUNG_SECONDS = 60.0  # a folder this young may not be locked yet


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield an empty folder in the system's place for temporary files, and delete it at the end.

    Folders that killed processes left there are deleted first.
    """
    delete_abandoned(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with in_use(folder):
            yield folder
    finally:
        delete(folder)


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Lock a folder within the block; the system releases the lock when the process ends for any reason."""
    handle = _lock(folder)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def delete_abandoned(folders: Iterable[Path]) -> None:
    """Delete folders that no process has locked, unless they are very young. Links are left alone."""
    for folder in folders:
        handle = _lock(folder)
        if handle is None:
            continue
        try:
            if time.time() - os.fstat(handle).st_mtime > YOUNG_SECONDS:
                delete(folder)
        finally:
            os.close(handle)


def _lock(folder: Path) -> int | None:
    """Return an open handle that holds the folder's lock; None if another process has it or locks do not exist."""
    try:
        import fcntl

        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle
