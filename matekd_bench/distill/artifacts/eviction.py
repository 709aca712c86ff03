"""What the cache holds and takes up, and clearing it: the least recently used first, never what is in use."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from matekd_bench.errors import UsageError
from matekd_bench.files.durable import MANIFEST, beside

LIMIT, DEFAULT_LIMIT = "MATEKD_BENCH_CACHE_LIMIT", "50GB"
SIZE = re.compile(r"(\d+(?:\.\d+)?) *([kMGT]?)B?")
UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


class CacheUse:
    """A share in an entry of the cache, held until it is forgotten or the process ends, however that dies."""

    def __init__(self, home: Path, key: str) -> None:
        self._handle: int | None = None
        with suppress(OSError, ImportError):  # a read-only cache, or a system without such locks
            import fcntl

            self._handle = os.open(home / f"{key}.used", os.O_RDWR | os.O_CREAT, 0o666)
            fcntl.flock(self._handle, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def __del__(self) -> None:
        if self._handle is not None:
            os.close(self._handle)


def in_use(home: Path, key: str) -> bool:
    """Whether a process holds a share in the entry."""
    try:
        import fcntl

        handle = os.open(home / f"{key}.used", os.O_RDWR)
    except (OSError, ImportError):
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


@dataclass(frozen=True)
class CachedFolder:
    """One entry: its folder, its bytes and when it was last used, in seconds since 1970.

    `finished` is False for what an interrupted build has left: half a folder, or checkpoints to go on from.
    """

    path: Path
    size: int
    used: float
    finished: bool

    @property
    def kind(self) -> str:
        """What it is: teachers, logits, generators."""
        return self.path.parent.name

    @property
    def key(self) -> str:
        """The key that its locks go by."""
        name = self.path.name
        return name if self.finished else re.sub(r"(\.partial|-[^-]*)$", "", name[1:])


def entries(root: Path) -> list[CachedFolder]:
    """Everything in the cache, the least recently used first; what vanishes meanwhile is left out."""
    found = []
    for path in root.glob("*/*"):
        finished = not path.name.startswith(".")
        try:
            if not path.is_dir() or path.is_symlink():
                continue
            used = ((path / MANIFEST) if finished and (path / MANIFEST).is_file() else path).stat().st_mtime
        except OSError:
            continue
        found.append(CachedFolder(path, size_of(path), used, finished))
    return sorted(found, key=lambda one: (one.used, one.path))


def clear(
    root: Path, *, older_than: float = 0.0, now: float | None = None
) -> Iterator[tuple[CachedFolder, bool]]:
    """Takes away what was last used more than `older_than` seconds ago; says of each whether it is gone.

    What is in use, or just being made, stays.
    """
    limit = (time.time() if now is None else now) - older_than
    for one in entries(root):
        if one.used <= limit:
            yield one, _taken_away(one)


def trim(root: Path) -> None:
    """Takes the least recently used entries away until the cache keeps to its limit, or all others are in use."""
    found = entries(root)
    excess = sum(one.size for one in found) - cache_limit()
    for one in found:
        if excess <= 0:
            return
        if _taken_away(one):
            excess -= one.size


def _taken_away(one: CachedFolder) -> bool:
    """Removes an entry at one stroke, unless a process has it or the system refuses."""
    home = one.path.parent
    try:
        with FileLock(home / f"{one.key}.lock").acquire(timeout=0):
            if in_use(home, one.key):
                return False
            gone = beside(one.path, "gone")
            one.path.rename(gone)
    except (OSError, Timeout):
        return False
    shutil.rmtree(gone, ignore_errors=True)
    return True


def cache_limit() -> int:
    """The bytes that the cache may take up: MATEKD_BENCH_CACHE_LIMIT, as 800MB or 20GB; 50 GB if it is not set."""
    text = os.environ.get(LIMIT) or DEFAULT_LIMIT
    found = SIZE.fullmatch(text.strip())
    if not found:
        raise UsageError(f"{LIMIT} is '{text}': give a size such as 800MB or 20GB.")
    return int(float(found[1]) * UNITS[found[2]])


def size_of(path: Path) -> int:
    """Bytes of all files below a folder; links are not followed, files that vanish meanwhile do not count."""
    total = 0
    for home, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(home, name)).st_size
            except OSError:
                continue
    return total
