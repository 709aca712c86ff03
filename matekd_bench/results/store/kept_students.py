"""Kept students: ``students/<run_id>/`` in a results folder, beside the runs, to be deleted without harm to them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from matekd_bench.files import safe_names

STUDENTS = "students"


class KeptStudents:
    """Where the students of a results folder lie. No record depends on them, and keeping them changes no identity."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, run_id: str) -> Path:
        """Where the student of a run lies, or would; ResultsError for a link that leads out of the results folder."""
        return safe_names.inside(self.root, self.root / STUDENTS / safe_names.check_name("run id", run_id))

    def has(self, run_id: str) -> bool:
        """Whether the run's student is there."""
        return (self.folder(run_id) / "config.json").is_file()

    def keep(self, run_id: str, write: Callable[[Path], None]) -> str | None:
        """Keeps what `write` puts into an empty folder: whole or not at all; says what the disk refused, if it did."""
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
            return str(error.strerror or error)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return None
