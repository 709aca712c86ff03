"""The user's cache of things that are costly to make and are keyed by their content: teachers, logits, generators."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from matekd_bench.errors import ResultsError


def cache_root() -> Path:
    """The cache folder: MATEKD_BENCH_CACHE, or the platform's usual place."""
    named = os.environ.get("MATEKD_BENCH_CACHE")
    return Path(named).expanduser() if named else user_cache_path("matekd-bench", appauthor=False)


def cached_folder(kind: str, key: str, build: Callable[[Path], None]) -> tuple[Path, bool]:
    """The cache folder of `key`, made by `build(folder)` if it is not there; also whether it was made now.

    Only one process builds; the folder appears under its name when it is complete, so that an interrupted build
    leaves nothing behind that could be mistaken for a whole one. Raises ResultsError where the cache cannot be
    written.
    """
    home = cache_root() / kind
    folder = home / key
    if folder.is_dir():
        return folder, False
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = FileLock(home / f"{key}.lock").acquire()
    except OSError as error:
        raise _unwritable(home, error) from None
    with lock:
        if folder.is_dir():
            return folder, False
        try:
            work = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=home))
        except OSError as error:
            raise _unwritable(home, error) from None
        try:
            build(work)
            work.rename(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return folder, True


def is_there(kind: str, key: str) -> bool:
    """Whether :func:`cached_folder` would find the folder of `key`."""
    return (cache_root() / kind / key).is_dir()


def _unwritable(folder: Path, error: OSError) -> ResultsError:
    return ResultsError(
        f"the cache folder '{folder}' can't be written: {error.strerror or error}.",
        hint="Set MATEKD_BENCH_CACHE to a folder that can.",
    )
