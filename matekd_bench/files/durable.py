"""Writing so that a crash leaves nothing half done: single files, sealed folders, and rows of checkpoints."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from matekd_bench.files.hashing import file_digest

MANIFEST = "manifest.json"
KEPT = 2  # checkpoints: the newest, and one more in case that the newest is damaged


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


def seal(folder: Path) -> None:
    """Waits until the disk has every file of a folder, and writes down their digests, last."""
    for path in folder.iterdir():
        sync_file(path)
    digests = {path.name: file_digest(path) for path in sorted(folder.iterdir())}
    write_synced(folder / MANIFEST, json.dumps(digests).encode())
    sync_folder(folder)


def whole(folder: Path) -> bool:
    """Whether every file of a sealed folder is as it was written."""
    try:
        digests = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return bool(digests) and all(
            file_digest(folder / Path(name).name) == digest for name, digest in digests.items()
        )
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


class CheckpointFolder:
    """The last checkpoints of a training, each whole or absent, in a folder that is made with the first.

    `problem` says what kept the last checkpoint from being saved, None if nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problem: str | None = None

    def save(self, update: int, write: Callable[[Path], None]) -> None:
        """Keeps what `write` puts into an empty folder as the checkpoint of `update`, and the one before it.

        A disk that refuses it costs the checkpoint, not the training: `problem` then says why.
        """
        target = self.folder / f"{update:09d}"
        temporary = beside(target, "tmp")
        try:
            temporary.mkdir(parents=True)
            write(temporary)
            seal(temporary)
            shutil.rmtree(target, ignore_errors=True)
            temporary.rename(target)
            sync_folder(self.folder)
            self.problem = None
        except OSError as error:
            self.problem = str(error.strerror or error)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        for old in self._all()[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)

    def folders(self) -> Iterator[Path]:
        """The whole checkpoints, the newest first."""
        return (folder for folder in self._all() if whole(folder))

    def remove(self) -> None:
        """Takes all checkpoints away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _all(self) -> list[Path]:
        try:
            found = [path for path in self.folder.iterdir() if path.name.isdigit()]
        except OSError:  # none yet, or a folder that cannot be read: the training starts again
            return []
        return sorted(found, reverse=True)
