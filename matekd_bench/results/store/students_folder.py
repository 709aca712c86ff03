"""Kept students: ``students/<run_id>/`` in a results folder. Deleting them harms no record."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from matekd_bench.errors import os_reason
from matekd_bench.files import safe_names

STUDENTS = "students"


class KeptStudents:
    """The trained students that a results folder keeps.

    No record depends on them, and keeping them changes no `run_id`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, run_id: str) -> Path:
        """Return the folder of a run's student, existing or not. Raises ResultsError for a link out of the root."""
        return safe_names.inside(self.root, self.root / STUDENTS / safe_names.check_name("run id", run_id))

    def has(self, run_id: str) -> bool:
        """Return True if the run's student is there."""
        return (self.folder(run_id) / "config.json").is_file()

    def keep(self, run_id: str, write: Callable[[Path], None]) -> str | None:
        """Save the files that `write` puts into an empty folder as the student of a run: all of them or none.

        Returns None, or the reason if the disk refused them.
        """
        target = self.folder(run_id)
        temporary = safe_names.beside(target, "tmp")
        try:
            temporary.mkdir(parents=True)
            write(temporary)
            for path in temporary.iterdir():
                safe_names.sync_file(path)
            shutil.rmtree(target, ignore_errors=True)
            temporary.rename(target)
            safe_names.sync_folder(target.parent)
        except OSError as error:
            return os_reason(error)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return None
