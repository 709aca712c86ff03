"""The user's cache of costly artifacts, keyed by what they depend on: teachers, logits, generators."""

from __future__ import annotations

import os
import secrets
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from platformdirs import user_cache_path

from matekd_bench.distill.artifacts.eviction import CacheUse, trim
from matekd_bench.distill.training.ddp import ALONE, LostPeerError, Ranks
from matekd_bench.errors import ResultsError, os_reason
from matekd_bench.files import safe_names
from matekd_bench.files.durable import MANIFEST, CheckpointFolder, is_intact, seal
from matekd_bench.files.regular import delete
from matekd_bench.files.scratch import scratch_folder

Build = Callable[[Path, CheckpointFolder], None]
Warn = Callable[[str], None]


def cache_root() -> Path:
    """Return the cache folder: MATEKD_BENCH_CACHE, or the platform's usual place."""
    folder = os.environ.get("MATEKD_BENCH_CACHE")
    return Path(folder).expanduser() if folder else user_cache_path("matekd-bench", appauthor=False)


@dataclass(frozen=True)
class CacheEntry:
    """A folder of the cache.

    `built` is True if this call built it. No process removes the folder from the cache while `use` exists.
    """

    path: Path
    built: bool
    use: CacheUse


def import_folders(files: Mapping[str, bytes]) -> None:
    """Copy folders from another machine's cache into this one, given as ``kind/key/name`` and content.

    A folder that is already here and intact is kept. Raises ResultsError if the cache cannot be written.
    """
    folders: dict[tuple[str, str], dict[str, bytes]] = defaultdict(dict)
    for name, content in files.items():
        kind, key, file = name.split("/")
        if file != MANIFEST:  # written again, after the other files
            folders[kind, key][file] = content
    for (kind, key), contents in folders.items():

        def build(folder: Path, _: CheckpointFolder, contents: Mapping[str, bytes] = contents) -> None:
            for file, content in contents.items():
                (folder / file).write_bytes(content)

        cached_folder(kind, key, build)


def cached_folder(
    kind: str, key: str, build: Build, warn: Warn = lambda text: None, ranks: Ranks = ALONE
) -> CacheEntry:
    """Return the cache folder of `key`; call `build(folder, checkpoints)` first if it is missing or damaged.

    Only one process builds. The folder gets its name once it is complete, so an interrupted build is never taken for a
    complete one. A later attempt finds what that build saved in `checkpoints`. `warn` is called if files are damaged.
    If several `ranks` build together, the leader looks into the cache and stores the result. After a build the cache
    is trimmed to its limit. Raises ResultsError if the cache cannot be written.
    """
    home = cache_root() / kind
    folder = home / key
    if not ranks.leads:
        return _follow_leader(home, key, build, ranks)
    try:
        lock = _lock_entry(home, key, folder)
    except ResultsError:
        ranks.announce(None)  # the other processes wait for this call
        raise
    with lock:
        use = CacheUse(home, key)  # under the lock, so that no other process removes the folder in between
        missing = ranks.announce(not _is_intact(folder, warn))
        if missing:
            ranks.run_or_fail_together(lambda: _build_entry(home, key, build))
    if missing:
        trim(cache_root())
    return CacheEntry(folder, missing, use)


def _is_intact(folder: Path, warn: Warn) -> bool:
    """Return True if the folder exists with the files that were written; also update its time of last use."""
    if not folder.is_dir():
        return False
    if not is_intact(folder):
        warn(f"the cache folder {folder} is damaged; it is built again")
        return False
    with suppress(OSError):  # the cache may be read-only
        os.utime(folder / MANIFEST)  # eviction removes the least recently used folders first
    return True


def _follow_leader(home: Path, key: str, build: Build, ranks: Ranks) -> CacheEntry:
    """Return the entry that the leader finds, or builds together with this process.

    This process builds in a temporary folder and discards the result, because the leader stores the same.
    """
    missing: bool | None = ranks.announce(None)
    if missing is None:
        raise LostPeerError("the first process cannot use its cache")
    if missing:
        with scratch_folder() as temporary:
            no_checkpoints = CheckpointFolder(temporary / "none")
            ranks.run_or_fail_together(lambda: build(temporary, no_checkpoints))
    if not (home / key).is_dir():
        raise ResultsError(
            f"the cache folder '{home}' differs from that of the first process:",
            hint="all processes of a run need the same cache: set MATEKD_BENCH_CACHE to one folder for all of them.",
        )
    return CacheEntry(home / key, missing, CacheUse(home, key))


def _lock_entry(home: Path, key: str, folder: Path) -> Any:
    """Acquire the lock under which an entry is checked and built.

    Returns an empty context instead if the cache is read-only and the entry is intact. Raises ResultsError if the cache
    cannot be written and the entry is missing or damaged, and for a link in the cache.
    """
    safe_names.inside(cache_root(), folder)
    try:
        home.mkdir(parents=True, exist_ok=True)
        return FileLock(home / f"{key}.lock").acquire()
    except OSError as error:
        if is_intact(folder):
            return nullcontext()
        raise _unwritable_error(home, error) from None


def _build_entry(home: Path, key: str, build: Build) -> None:
    """Build an entry under a hidden name, then rename it; called under the entry's lock."""
    from safetensors import SafetensorError

    try:
        for leftover in home.glob(f".{key}-*"):  # of a killed process: this one holds the lock
            delete(leftover)
        temporary = home / f".{key}-{secrets.token_hex(4)}"
        temporary.mkdir()
    except OSError as error:
        raise _unwritable_error(home, error) from None
    checkpoints = CheckpointFolder(home / f".{key}.partial")
    try:
        build(temporary, checkpoints)
        seal(temporary)
        delete(home / key)  # a damaged entry
        temporary.rename(home / key)
    except (OSError, SafetensorError) as error:
        raise _unwritable_error(home, error) from error
    finally:
        delete(temporary)
    checkpoints.remove()  # only after a complete build: an interrupted one resumes from them


def _unwritable_error(folder: Path, error: Exception) -> ResultsError:
    return ResultsError(
        f"the cache folder '{folder}' can't be written: {os_reason(error)}.",
        hint="Set MATEKD_BENCH_CACHE to a writable folder.",
    )
