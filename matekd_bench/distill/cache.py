"""The user's cache of things that are costly to make and are keyed by their content: teachers, logits, generators."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from platformdirs import user_cache_path

from matekd_bench.distill.upkeep import Use, trim
from matekd_bench.durable import MANIFEST, CheckpointFolder, seal, whole
from matekd_bench.errors import ResultsError

Build = Callable[[Path, CheckpointFolder], None]


def cache_root() -> Path:
    """The cache folder: MATEKD_BENCH_CACHE, or the platform's usual place."""
    named = os.environ.get("MATEKD_BENCH_CACHE")
    return Path(named).expanduser() if named else user_cache_path("matekd-bench", appauthor=False)


@dataclass(frozen=True)
class Entry:
    """A folder of the cache and whether it was made now. As long as `use` lives nobody clears it away."""

    path: Path
    made: bool
    use: Use


def cached_folder(kind: str, key: str, build: Build, say: Callable[[str], None] = lambda text: None) -> Entry:
    """The cache folder of `key`, made by `build(folder, checkpoints)` if it is not there.

    Only one process builds; the folder appears under its name when it is complete, so that an interrupted build
    leaves nothing behind that could be mistaken for a whole one; what it put into `checkpoints` is there when it is
    tried again. Files that are not as they were written are noticed, which `say` is told, and made again. Then the
    cache is trimmed to its limit. Raises ResultsError where the cache cannot be written.
    """
    home = cache_root() / kind
    folder = home / key
    with _lock(home, key, folder):
        use = Use(home, key)
        if folder.is_dir():
            if whole(folder):
                with suppress(OSError):  # a cache that others write
                    os.utime(folder / MANIFEST)  # what was used last is cleared away last
                return Entry(folder, False, use)
            say(f"what the cache has in {folder} is damaged: made again")
        _make(home, key, build)
    trim(cache_root())
    return Entry(folder, True, use)


def _lock(home: Path, key: str, folder: Path) -> Any:
    """The lock under which an entry is looked at and made; none where it is there and the cache is read-only."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        return FileLock(home / f"{key}.lock").acquire()
    except OSError as error:
        if whole(folder):
            return nullcontext()
        raise _unwritable(home, error) from None


def _make(home: Path, key: str, build: Build) -> None:
    """Builds an entry under a hidden name and gives it its own; called under the entry's lock."""
    from safetensors import SafetensorError

    try:
        for left in home.glob(f".{key}-*"):  # by a process that was killed: the lock is ours
            shutil.rmtree(left, ignore_errors=True)
        work = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=home))
    except OSError as error:
        raise _unwritable(home, error) from None
    checkpoints = CheckpointFolder(home / f".{key}.partial")
    try:
        build(work, checkpoints)
        seal(work)
        shutil.rmtree(home / key, ignore_errors=True)
        work.rename(home / key)
    except (OSError, SafetensorError) as error:
        raise _unwritable(home, error) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    checkpoints.remove()


def is_there(kind: str, key: str) -> bool:
    """Whether :func:`cached_folder` would find the folder of `key`."""
    return (cache_root() / kind / key).is_dir()


def _unwritable(folder: Path, error: Exception) -> ResultsError:
    reason = getattr(error, "strerror", None) or error
    return ResultsError(
        f"the cache folder '{folder}' can't be written: {reason}.",
        hint="Set MATEKD_BENCH_CACHE to a folder that can.",
    )
