"""Names that may become paths, and writing so that a crash leaves nothing half done."""

from __future__ import annotations

import re
from pathlib import Path

from matekd_bench.errors import ResultsError
from matekd_bench.files.durable import beside, sync_file, sync_folder, write_atomically, write_synced

__all__ = ["beside", "check_name", "inside", "sync_file", "sync_folder", "write_atomically", "write_synced"]

NAME = re.compile(r"[a-z0-9-]+")


def check_name(kind: str, name: str) -> str:
    """`name` if it may become a path; ResultsError otherwise. `kind` says what it names."""
    if not NAME.fullmatch(name):
        raise ResultsError(f"{kind} {name!r} cannot be a file name: a-z, 0-9 and '-' are allowed.")
    return name


def inside(root: Path, path: Path) -> Path:
    """`path` if it lies in `root` once links are followed; ResultsError otherwise."""
    try:
        leads_out = not path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:  # links in a circle
        raise ResultsError(f"{path} cannot be followed: {error}.") from error
    if leads_out:
        raise ResultsError(f"{path} is a link that leads out of {root}: not followed.")
    return path
