"""Checks names, paths and files before they are used; also exports the helpers for durable writes."""

from __future__ import annotations

import os
import re
from pathlib import Path

from matekd_bench.errors import ResultsError, UsageError
from matekd_bench.files.durable import (
    beside,
    copy_synced,
    settle,
    sync_folder,
    write_atomically,
    write_synced,
)
from matekd_bench.files.regular import check_regular, delete, read_file

__all__ = [
    "STUDENT_CARD",
    "beside",
    "check_folder_of",
    "check_name",
    "check_regular",
    "copy_synced",
    "delete",
    "inside",
    "read_file",
    "settle",
    "sync_folder",
    "write_atomically",
    "write_synced",
]

STUDENT_CARD = "student.json"  # in the folder of a kept student, says whose it is

NAME = re.compile(r"[a-z0-9-]+")
LONGEST_NAME = 200  # file systems allow 255 bytes, and temporary names add some


def check_folder_of(file: Path, option: str = "") -> None:
    """Raise UsageError if the folder in which a file shall be written does not exist; `option` names the file."""
    if not file.parent.is_dir():
        raise UsageError(f"{option}{' ' * bool(option)}'{file}': there is no folder '{file.parent}'.")


def check_name(kind: str, name: str) -> str:
    """Return `name` if it is a safe file name, else raise ResultsError; `kind` is the word for it in the error."""
    if not NAME.fullmatch(name):
        raise ResultsError(f"{kind} {name!r} cannot be a file name: only a-z, 0-9 and '-' are allowed.")
    if len(name) > LONGEST_NAME:
        raise ResultsError(
            f"{kind} '{name[:40]}...' has {len(name)} characters: at most {LONGEST_NAME} are allowed."
        )
    return name


def inside(root: Path, path: Path) -> Path:
    """Return `path` if it is inside `root` and no part of it inside `root` is a link; raise ResultsError otherwise.

    `root` itself may be a link, because the user named it.
    """
    if not path.is_relative_to(root) or ".." in path.relative_to(root).parts:
        raise ResultsError(f"'{path}' points outside '{root}': not followed.")
    part = str(root)
    for name in path.relative_to(root).parts:
        part = os.path.join(part, name)
        if os.path.islink(part):
            raise ResultsError(
                f"'{part}' is a link: not followed.",
                hint="Delete it, or name the folder that it points to.",
            )
    return path
