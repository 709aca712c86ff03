"""List, measure and clear the cache: least recently used folders first, never those in use."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ByteSize, TypeAdapter, ValidationError

from matekd_bench.errors import UsageError
from matekd_bench.files.durable import MANIFEST, beside
from matekd_bench.files.regular import delete

LIMIT, DEFAULT_LIMIT = "MATEKD_BENCH_CACHE_LIMIT", "50GB"
NO_LINK = getattr(os, "O_NOFOLLOW", 0)
SIZE: TypeAdapter[ByteSize] = TypeAdapter(ByteSize)


class CacheUse:
    """A shared lock on an entry of the cache, which keeps the entry from being removed.

    The lock ends with this object or with the process, even if the process is killed.
    """

    def __init__(self, home: Path, key: str) -> None:
        self._handle: int | None = None
        with suppress(OSError, ImportError):  # a read-only cache, or a system without flock
            import fcntl

            self._handle = os.open(home / f"{key}.used", os.O_RDWR | os.O_CREAT | NO_LINK, 0o666)
            fcntl.flock(self._handle, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def __del__(self) -> None:
        if self._handle is not None:
            os.close(self._handle)  # releases the lock


def in_use(home: Path, key: str) -> bool:
    """Return True if a process, this one included, holds a :class:`CacheUse` of the entry."""
    try:
        import fcntl

        handle = os.open(home / f"{key}.used", os.O_RDWR | NO_LINK)
    except (OSError, ImportError):
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while anyone holds a shared lock
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


@dataclass(frozen=True)
class CachedFolder:
    """One entry of the cache: its folder, its size in bytes and its last use in seconds since 1970.

    `finished` is False for the remains of an interrupted build: an incomplete folder, or checkpoints to resume from.
    """

    path: Path
    size: int
    used: float
    finished: bool

    @property
    def kind(self) -> str:
        """The kind of artifact: teachers, logits or generators."""
        return self.path.parent.name

    @property
    def key(self) -> str:
        """The key, which names the entry's lock files; read from the hidden name if the build was interrupted."""
        name = self.path.name
        return name if self.finished else re.sub(r"(\.partial|-[^-]*)$", "", name[1:])


def entries(root: Path) -> list[CachedFolder]:
    """List the folders of the cache, least recently used first; those that vanish meanwhile are left out."""
    folders = []
    for path in root.glob("*/*"):
        finished = not path.name.startswith(".")
        try:
            if not path.is_dir() or path.is_symlink() or path.parent.is_symlink():
                continue
            used = ((path / MANIFEST) if finished and (path / MANIFEST).is_file() else path).stat().st_mtime
        except OSError:
            continue
        folders.append(CachedFolder(path, size_of(path), used, finished))
    return sorted(folders, key=lambda folder: (folder.used, folder.path))


def clear(
    root: Path, *, older_than: float = 0.0, now: float | None = None
) -> Iterator[tuple[CachedFolder, bool]]:
    """Remove entries that were last used at least `older_than` seconds ago.

    Yields each such entry with True if it was removed. Entries in use or being built are kept.
    """
    limit = (time.time() if now is None else now) - older_than
    for entry in entries(root):
        if entry.used <= limit:
            yield entry, _remove(entry)


def trim(root: Path) -> None:
    """Remove the least recently used entries until the cache is within its limit; keep those in use."""
    folders = entries(root)
    excess = sum(entry.size for entry in folders) - cache_limit()
    for entry in folders:
        if excess <= 0:
            return
        if _remove(entry):
            excess -= entry.size


def _remove(entry: CachedFolder) -> bool:
    """Remove an entry and return True, unless a process builds or uses it or the system refuses."""
    home = entry.path.parent
    try:
        with FileLock(home / f"{entry.key}.lock").acquire(timeout=0):
            if in_use(home, entry.key):
                return False
            renamed = beside(entry.path, "gone")  # a rename removes it at once, deleting takes time
            entry.path.rename(renamed)
    except (OSError, Timeout):
        return False
    delete(renamed)
    return True


def cache_limit() -> int:
    """Return the size limit of the cache in bytes: MATEKD_BENCH_CACHE_LIMIT, such as 800MB or 20GB, else 50 GB.

    Raises UsageError if the variable is not a size.
    """
    text = os.environ.get(LIMIT) or DEFAULT_LIMIT
    try:
        return int(SIZE.validate_python(text.strip()))
    except ValidationError:
        raise UsageError(f"{LIMIT} is '{text}': give a size such as 800MB or 20GB.") from None


def size_of(path: Path) -> int:
    """Sum the bytes of all files in a folder and its subfolders.

    Links are not followed. Files that vanish meanwhile do not count.
    """
    total = 0
    for home, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(home, name)).st_size
            except OSError:
                continue
    return total
