"""Checks of the cache folders: their paths, sizes and write permission."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from matekd_bench.distill.artifacts.artifact_cache import cache_root
from matekd_bench.distill.artifacts.eviction import size_of
from matekd_bench.errors import os_reason
from matekd_bench.tools.doctor.finding import Finding

TOPIC = "caches"


def caches() -> Iterator[Finding]:
    """Check the cache of matekd-bench and that of the Hub's libraries."""
    from huggingface_hub import constants

    try:
        root = cache_root()
    except RuntimeError:  # "~" in the path, but the user has no home folder
        text = f"'{os.environ.get('MATEKD_BENCH_CACHE', '~')}' cannot be found: this user has no home folder"
        yield Finding(TOPIC, "own", "problem", text, "set MATEKD_BENCH_CACHE to a folder")
    else:
        yield folder("own", root, "teachers, logits and generators", "MATEKD_BENCH_CACHE")
    yield folder("hub", Path(constants.HF_HOME), "models and data of the Hub", "HF_HOME")


def folder(name: str, path: Path, holds: str, variable: str) -> Finding:
    """Check that a cache folder, or the nearest existing parent, is writable.

    `holds` says what the folder is for; `variable` is the environment variable that moves it.
    """
    existing = next((parent for parent in (path, *path.parents) if parent.exists()), path)
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        text = f"{path} ({holds}) is not writable: {os_reason(error)}"
        return Finding(TOPIC, name, "problem", text, f"set {variable} to a writable folder")
    size = readable(size_of(path)) if path.is_dir() else "does not exist yet"
    return Finding(TOPIC, name, "ok", f"{path} ({holds}): {size}; {variable} moves it")


def readable(size: int) -> str:
    """Format a number of bytes for people: "12 MB", "1.4 GB"."""
    if size < 10**6:
        return f"{size / 10**3:.0f} kB"
    return f"{size / 10**6:.0f} MB" if size < 10**9 else f"{size / 10**9:.1f} GB"
