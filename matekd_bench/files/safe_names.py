"""Checks names and paths before they are used as files; also exports the helpers for durable writes."""

from __future__ import annotations

import re
from pathlib import Path

from matekd_bench.errors import ResultsError, file_problem
from matekd_bench.files.durable import beside, sync_file, sync_folder, write_atomically, write_synced

__all__ = ["beside", "check_name", "inside", "sync_file", "sync_folder", "write_atomically", "write_synced"]

NAME = re.compile(r"[a-z0-9-]+")


def check_name(kind: str, name: str) -> str:
    """Return `name` if it is a safe file name; raise ResultsError otherwise. `kind` is the word for it in the error."""
    if not NAME.fullmatch(name):
        raise ResultsError(f"{kind} {name!r} cannot be a file name: a-z, 0-9 and '-' are allowed.")
    return name


def inside(root: Path, path: Path) -> Path:
    """Return `path` if it is in `root` after links are resolved; raise ResultsError otherwise."""
    try:
        outside = not path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:  # links that form a loop
        raise ResultsError(file_problem(path, error, "follow")) from error
    if outside:
        raise ResultsError(f"{path} is a link that leads out of {root}: not followed.")
    return path
