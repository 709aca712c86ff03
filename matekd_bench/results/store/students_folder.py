"""Kept students: ``students/<run_id>/`` in a results folder. Deleting them harms no record."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from matekd_bench.errors import ResultsError, file_problem, os_reason
from matekd_bench.files import safe_names
from matekd_bench.files.reading import read_json

STUDENTS = "students"


class KeptStudents:
    """The trained students that a results folder keeps.

    No record depends on them, and keeping them changes no `run_id`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, run_id: str) -> Path:
        """Return the folder of a run's student, existing or not. Raises ResultsError for a link."""
        return safe_names.inside(self.root, self.root / STUDENTS / safe_names.check_name("run id", run_id))

    def has(self, run_id: str) -> bool:
        """Return True if the run's student exists. Raises ResultsError for a link in its place."""
        return (self.folder(run_id) / "config.json").exists()

    def bytes_of(self, run_ids: Iterable[str]) -> int:
        """Return the bytes that the students of these runs take; a missing student takes none."""
        files = (path for run_id in run_ids if self.has(run_id) for path in self.folder(run_id).iterdir())
        return sum(path.lstat().st_size for path in files)

    def open(self, run_id: str) -> Path:
        """Return the folder of a run's student. Raises ResultsError if it holds anything but regular files."""
        folder = self.folder(run_id)
        for path in sorted(folder.iterdir()):
            try:
                safe_names.check_regular(path)
            except OSError as error:
                raise ResultsError(file_problem(path, error)) from error
        return folder

    def remove(self, run_id: str) -> None:
        """Delete a run's student, if there is one."""
        safe_names.delete(self.folder(run_id))

    def keep(self, run_id: str, write: Callable[[Path], None]) -> str | None:
        """Save the files that `write` puts into an empty folder as the student of a run: all of them or none.

        Returns None, or the reason if the disk refused them.
        """
        target = self.folder(run_id)
        temporary = safe_names.beside(target, "tmp")
        try:
            temporary.mkdir(parents=True)
            write(temporary)
            safe_names.settle(temporary)
            safe_names.delete(target)
            temporary.rename(target)
            safe_names.sync_folder(target.parent)
        except OSError as error:
            return os_reason(error)
        finally:
            safe_names.delete(temporary)
        return None


def run_of_student(folder: Path) -> str | None:
    """Return the run whose student is in `folder`, by its card; None if there is no card.

    Raises ResultsError if the card cannot be read.
    """
    if not (folder / safe_names.STUDENT_CARD).is_file():
        return None
    card = read_json(folder / safe_names.STUDENT_CARD, ResultsError)
    run_id = card.get("run_id") if isinstance(card, dict) else None
    return run_id if isinstance(run_id, str) else None
