"""The user's cache of things that are costly to make and are keyed by their content: teachers, logits, generators."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from matekd_bench.distill.ranks import ALONE, Ranks
from matekd_bench.errors import ResultsError


def cache_root() -> Path:
    """The cache folder: MATEKD_BENCH_CACHE, or the platform's usual place."""
    named = os.environ.get("MATEKD_BENCH_CACHE")
    return Path(named).expanduser() if named else user_cache_path("matekd-bench", appauthor=False)


_watchers: list[list[Path]] = []


@contextmanager
def folders_used() -> Iterator[list[Path]]:
    """Lists the folders of the cache that are used within it."""
    used: list[Path] = []
    _watchers.append(used)
    try:
        yield used
    finally:
        _watchers.remove(used)


def adopt(files: Mapping[str, bytes]) -> None:
    """Puts folders of another machine's cache into this one, given as ``kind/key/path`` and content.

    A folder that is there stays as it is. Raises ResultsError where the cache cannot be written.
    """
    folders: dict[tuple[str, str], dict[str, bytes]] = defaultdict(dict)
    for name, content in files.items():
        kind, key, path = name.split("/", 2)
        folders[kind, key][path] = content
    for (kind, key), contents in folders.items():

        def build(folder: Path, contents: Mapping[str, bytes] = contents) -> None:
            for path, content in contents.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content)

        cached_folder(kind, key, build)


def cached_folder(
    kind: str, key: str, build: Callable[[Path], None], ranks: Ranks = ALONE
) -> tuple[Path, bool]:
    """The cache folder of `key`, made by `build(folder)` if it is not there; also whether it was made now.

    Only one process builds; the folder appears under its name when it is complete, so that an interrupted build
    leaves nothing behind that could be mistaken for a whole one. Where several `ranks` build together, the leader
    keeps what came of it. Raises ResultsError where the cache cannot be written.
    """
    home = cache_root() / kind
    folder = home / key
    for used in _watchers:
        used.append(folder)
    if not ranks.leads:
        return _beside_the_leader(folder, build, ranks)
    if ranks.size == 1 and folder.is_dir():
        return folder, False
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = FileLock(home / f"{key}.lock").acquire()
    except OSError as error:
        raise _unwritable(home, error) from None
    with lock:
        if not ranks.announce(not folder.is_dir()):
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
    ranks.any(False)  # it is there for all
    return folder, True


def _beside_the_leader(folder: Path, build: Callable[[Path], None], ranks: Ranks) -> tuple[Path, bool]:
    """The folder that the leader makes or finds, built together with it."""
    missing = ranks.announce(False)
    if missing:
        with tempfile.TemporaryDirectory() as work:
            build(Path(work))
        ranks.any(False)
    if not folder.is_dir():
        raise ResultsError(
            f"the cache folder '{folder.parent}' is not that of the first process:",
            hint="all processes of a run need one cache, set MATEKD_BENCH_CACHE.",
        )
    return folder, missing


def is_there(kind: str, key: str) -> bool:
    """Whether :func:`cached_folder` would find the folder of `key`."""
    return (cache_root() / kind / key).is_dir()


def _unwritable(folder: Path, error: OSError) -> ResultsError:
    return ResultsError(
        f"the cache folder '{folder}' can't be written: {error.strerror or error}.",
        hint="Set MATEKD_BENCH_CACHE to a folder that can.",
    )
