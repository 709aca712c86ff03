"""Writing so that a crash leaves nothing half done, and names that may become paths."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from matekd_bench.errors import ResultsError

NAME = re.compile(r"[a-z0-9-]+")


def check_name(kind: str, name: str) -> str:
    """`name` if it may become a path; ResultsError otherwise. `kind` says what it names."""
    if not NAME.fullmatch(name):
        raise ResultsError(f"{kind} {name!r} cannot be a file name: a-z, 0-9 and '-' are allowed.")
    return name


def inside(root: Path, path: Path) -> Path:
    """`path` if it lies in `root` once links are followed; ResultsError otherwise."""
    if not path.resolve().is_relative_to(root.resolve()):
        raise ResultsError(f"{path} is a link that leads out of {root}: not followed.")
    return path


def beside(path: Path, purpose: str) -> Path:
    """A new hidden name next to `path`, on the same file system, so that a rename is atomic."""
    return path.with_name(f".{purpose}-{path.name}-{secrets.token_hex(4)}")


def write_synced(path: Path, content: bytes) -> None:
    """Writes a new file and returns only when the disk has it."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_file(path: Path) -> None:
    """Returns only when the disk has the content of a file that is there."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Makes the names in `folder` durable, where the system can (POSIX)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces `path` by `content`: a reader sees the old file or the new one, never a part.

    Raises OSError where it cannot be written; nothing is left behind then.
    """
    temporary = beside(path, "tmp")
    try:
        write_synced(temporary, content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
