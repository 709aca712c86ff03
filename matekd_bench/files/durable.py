"""Writes files, sealed folders and checkpoints so that a crash never leaves a partial one."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from matekd_bench.errors import os_reason
from matekd_bench.files.hashing import file_digest
from matekd_bench.files.regular import check_regular, delete, read_file

MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 2**24
KEPT = 2  # checkpoints: the newest, and the one before it in case the newest is damaged


def beside(path: Path, purpose: str) -> Path:
    """Return a new hidden path next to `path`, on the same file system, so that a rename is atomic."""
    return path.with_name(f".{purpose}-{path.name}-{secrets.token_hex(4)}")


def write_synced(path: Path, content: bytes) -> None:
    """Write a new file; return only after it is on disk."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def copy_synced(source: Path, target: Path) -> None:
    """Copy a file's content to a new file; return only after the copy is on disk."""
    with source.open("rb") as old, target.open("xb") as new:
        shutil.copyfileobj(old, new)
        new.flush()
        os.fsync(new.fileno())


def settle(folder: Path) -> None:
    """Wait until the files that this process made in a folder are on disk, and give them the mode of the umask.

    Libraries such as safetensors write files that only their owner can read. The folder itself already has that mode.
    """
    mode = folder.stat().st_mode & 0o666
    for path in folder.iterdir():
        path.chmod(mode)
        with path.open("r+b") as file:
            os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the file names in `folder` durable; do nothing on systems other than POSIX, which do not support it."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the file at `path` so that a reader sees either the old content or the new, never a part.

    Raises OSError if the file cannot be written; in that case no temporary file remains.
    """
    temporary = beside(path, "tmp")
    try:
        write_synced(temporary, content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def seal(folder: Path) -> None:
    """Wait until every file of a folder is on disk, then write the manifest with their digests.

    The manifest is written last, so a folder with a manifest is complete.
    """
    settle(folder)
    digests = {path.name: file_digest(path) for path in sorted(folder.iterdir())}
    write_synced(folder / MANIFEST, json.dumps(digests).encode())
    sync_folder(folder)


def is_intact(folder: Path) -> bool:
    """Return True if every file of a sealed folder is a regular file with the digest in the manifest."""
    try:
        digests = json.loads(read_file(folder / MANIFEST, MAX_MANIFEST_BYTES))
        return bool(digests) and all(
            _digest_of_regular(folder / Path(name).name) == digest for name, digest in digests.items()
        )
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def _digest_of_regular(path: Path) -> str:
    check_regular(path)
    return file_digest(path)


class CheckpointFolder:
    """The last checkpoints of one training, each complete or absent; the first save creates the folder.

    `problem` is the reason why the last checkpoint could not be saved, or None. `on_saved` gets the update and the
    folder of every saved checkpoint, `on_problem` the reason when saving begins to fail.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problem: str | None = None
        self.on_saved: Callable[[int, Path], None] = lambda update, folder: None
        self.on_problem: Callable[[str], None] = lambda reason: None

    def save(self, update: int, files: Mapping[str, bytes]) -> None:
        """Save the checkpoint of `update`, and delete all others except for the one before it.

        If it cannot be written to disk, the training continues without this checkpoint, and `problem` gives the reason.
        """
        self.write(update, files)()

    def write(self, update: int, files: Mapping[str, bytes]) -> Callable[[], None]:
        """Do the slow part of :meth:`save`, on any thread; call the returned function on the training's own thread."""
        target = self.folder / f"{update:09d}"
        temporary, problem = beside(target, "tmp"), None
        try:
            temporary.mkdir(parents=True)
            # A checkpoint that was read from elsewhere has a manifest, which is made again.
            for name in files.keys() - {MANIFEST}:
                (temporary / Path(name).name).write_bytes(files[name])
            seal(temporary)
            delete(target)
            temporary.rename(target)
            sync_folder(self.folder)
        except OSError as error:
            problem = os_reason(error)
        finally:
            delete(temporary)
        if problem is None:
            self._delete_all_but(update)
        return partial(self._report, update, target, problem)

    def _report(self, update: int, target: Path, problem: str | None) -> None:
        earlier, self.problem = self.problem, problem
        if problem is None:
            self.on_saved(update, target)
        elif earlier is None:
            self.on_problem(problem)

    def folders(self) -> Iterator[Path]:
        """Yield the folders of intact checkpoints, newest first."""
        return (folder for folder in self._newest_first() if is_intact(folder))

    def remove(self) -> None:
        """Delete all checkpoints."""
        delete(self.folder)

    def _delete_all_but(self, update: int) -> None:
        """Delete the checkpoints that are not needed now that the one of `update` is saved.

        Those of later updates are damaged or of other versions: the training did not continue from them. If they
        stayed, they would count as the newest.
        """
        folders = self._newest_first()
        kept = [folder for folder in folders if int(folder.name) <= update][:KEPT]
        for folder in folders:
            if folder not in kept:
                delete(folder)

    def _newest_first(self) -> list[Path]:
        """Return the folders of all checkpoints, intact or not; links are left out."""
        try:
            folders = [
                path for path in self.folder.iterdir() if path.name.isdecimal() and not path.is_symlink()
            ]
        except OSError:  # no checkpoint yet, or an unreadable folder: the training starts from scratch
            return []
        return sorted(folders, reverse=True)
