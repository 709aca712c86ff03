"""Checks names, paths and files before they are used; also exports the helpers for durable writes."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from matekd_bench.errors import ResultsError, file_problem
from matekd_bench.files.durable import beside, sync_file, sync_folder, write_atomically, write_synced

__all__ = [
    "beside",
    "check_name",
    "inside",
    "read_file",
    "sync_file",
    "sync_folder",
    "write_atomically",
    "write_synced",
]

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


def read_file(path: str | Path, max_bytes: int) -> bytes:
    """Read a regular file of at most `max_bytes`.

    Raises OSError if it cannot be read, and for a link, a FIFO, a device or a larger file, which are not opened.
    """
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        raise OSError("it is a link: not followed")
    if not stat.S_ISREG(status.st_mode):
        raise OSError("it is no regular file: not opened")
    if status.st_size > max_bytes:
        raise OSError(f"it has {status.st_size} bytes, more than {max_bytes}: not opened")
    with open(path, "rb") as file:
        return file.read()
