"""Opens only regular files of a bounded size, and deletes without following links."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import IO


def check_regular(path: str | Path, max_bytes: int | None = None) -> None:
    """Raise OSError for a link, a FIFO, a device, a folder, or a file of more than `max_bytes`."""
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        raise OSError("it is a link: not followed")
    if not stat.S_ISREG(status.st_mode):
        raise OSError("it is not a regular file: not opened")
    if max_bytes is not None and status.st_size > max_bytes:
        raise OSError(f"it is {status.st_size} bytes long; the limit is {max_bytes}: not opened")


def read_file(path: str | Path, max_bytes: int) -> bytes:
    """Read a regular file of at most `max_bytes`.

    Raises OSError if it cannot be read, and for a link, a FIFO, a device or a larger file, which are not opened.
    """
    check_regular(path, max_bytes)
    with open(path, "rb") as file:
        return file.read()


def read_at_most(file: IO[bytes], max_bytes: int | None) -> bytes:
    """Read an open file to its end; raise OSError if it holds more than `max_bytes` (None: no limit)."""
    content = file.read(-1 if max_bytes is None else max_bytes + 1)
    if max_bytes is not None and len(content) > max_bytes:
        raise OSError(f"it has more than {max_bytes} bytes: not read")
    return content


def delete(path: Path) -> None:
    """Delete a file, or a folder with all its content, as far as the system allows.

    A link is not deleted. Links inside a folder are deleted, but never their targets.
    """
    with suppress(OSError):
        mode = os.lstat(path).st_mode
        if stat.S_ISDIR(mode):
            shutil.rmtree(path, ignore_errors=True)
        elif not stat.S_ISLNK(mode):
            path.unlink()
