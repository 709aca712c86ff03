"""The user's cache of things that are costly to make and are keyed by their content: teachers, logits, generators."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from platformdirs import user_cache_path

from matekd_bench.distill.artifacts.eviction import CacheUse, trim
from matekd_bench.distill.training.ddp import ALONE, LostPeerError, Ranks
from matekd_bench.errors import ResultsError
from matekd_bench.files.durable import MANIFEST, CheckpointFolder, seal, whole

Build = Callable[[Path, CheckpointFolder], None]
Say = Callable[[str], None]

_watchers: list[list[Path]] = []


def cache_root() -> Path:
    """The cache folder: MATEKD_BENCH_CACHE, or the platform's usual place."""
    named = os.environ.get("MATEKD_BENCH_CACHE")
    return Path(named).expanduser() if named else user_cache_path("matekd-bench", appauthor=False)


@dataclass(frozen=True)
class CacheEntry:
    """A folder of the cache and whether it was made now. As long as `use` lives nobody clears it away."""

    path: Path
    made: bool
    use: CacheUse


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
    """Puts folders of another machine's cache into this one, given as ``kind/key/name`` and content.

    A folder that is there whole stays as it is. Raises ResultsError where the cache cannot be written.
    """
    folders: dict[tuple[str, str], dict[str, bytes]] = defaultdict(dict)
    for name, content in files.items():
        kind, key, file = name.split("/")
        if file != MANIFEST:  # written anew, when all is there
            folders[kind, key][file] = content
    for (kind, key), contents in folders.items():

        def build(folder: Path, _: CheckpointFolder, contents: Mapping[str, bytes] = contents) -> None:
            for file, content in contents.items():
                (folder / file).write_bytes(content)

        cached_folder(kind, key, build)


def cached_folder(
    kind: str, key: str, build: Build, say: Say = lambda text: None, ranks: Ranks = ALONE
) -> CacheEntry:
    """The cache folder of `key`, made by `build(folder, checkpoints)` if it is not there.

    Only one process builds; the folder appears under its name when it is complete, so that an interrupted build
    leaves nothing behind that could be mistaken for a whole one; what it put into `checkpoints` is there when it is
    tried again. Files that are not as they were written are noticed, which `say` is told, and made again. Where
    several `ranks` build together, the leader looks, and keeps what came of it. Then the cache is trimmed to its
    limit. Raises ResultsError where the cache cannot be written.
    """
    home = cache_root() / kind
    folder = home / key
    for used in _watchers:
        used.append(folder)
    if not ranks.leads:
        return _beside_the_leader(home, key, build, ranks)
    try:
        lock = _lock(home, key, folder)
    except ResultsError:
        ranks.announce(None)
        raise
    with lock:
        use = CacheUse(home, key)
        missing = ranks.announce(not _is_whole(folder, say))
        if missing:
            ranks.jointly(lambda: _make(home, key, build))
    if missing:
        trim(cache_root())
    return CacheEntry(folder, missing, use)


def _is_whole(folder: Path, say: Say) -> bool:
    """Whether the entry is there as it was written, which counts as a use of it."""
    if not folder.is_dir():
        return False
    if not whole(folder):
        say(f"what the cache has in {folder} is damaged: made again")
        return False
    with suppress(OSError):  # a cache that others write
        os.utime(folder / MANIFEST)  # what was used last is cleared away last
    return True


def _beside_the_leader(home: Path, key: str, build: Build, ranks: Ranks) -> CacheEntry:
    """The entry that the leader finds, or makes together with this process, whose own copy is thrown away."""
    missing: bool | None = ranks.announce(None)
    if missing is None:
        raise LostPeerError("the first process cannot use its cache")
    if missing:
        with tempfile.TemporaryDirectory() as work:
            ranks.jointly(lambda: build(Path(work), CheckpointFolder(Path(work) / "none")))
    if not (home / key).is_dir():
        raise ResultsError(
            f"the cache folder '{home}' is not that of the first process:",
            hint="all processes of a run need one cache, set MATEKD_BENCH_CACHE.",
        )
    return CacheEntry(home / key, missing, CacheUse(home, key))


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
