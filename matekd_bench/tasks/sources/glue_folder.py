"""Reads tasks from a local folder in the official GLUE layout: a subfolder of TSV files for each task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

from matekd_bench.errors import DataError, list_available
from matekd_bench.files.tsv import TsvTable, read_table
from matekd_bench.tasks.sources.json_sections import read_section
from matekd_bench.tasks.sources.source import MissingSplitError, gold_score, label_id
from matekd_bench.tasks.task import Rows, Split, Task


@dataclass(frozen=True)
class GlueFolder:
    """A folder with the official GLUE files, given with ``--glue-dir`` or ``GLUE_DIR``, or one of further sets.

    `name` is that of the option which names the folder, `holds` are sub-folders for messages.
    """

    path: Path
    name: str = "glue-dir"
    holds: str = "CoLA, RTE, ..."

    def revision(self, task: Task) -> str | None:
        """Return None: files have no version; the digests of their rows identify them."""
        return None

    def read(self, task: Task, split: str) -> Rows:
        """Return the rows of the split's file; raise MissingSplitError, or DataError with file and line."""
        place = task.splits[split]
        file = self._file(task, split)
        if place.section is not None:
            table = read_section(file, place.section)
        else:
            table = read_table(file, header=place.header)
        columns = _columns(task, place, table)
        rows, skipped = _sound_rows(task, table, columns)
        texts = [tuple(cells[columns[field]] for field in task.fields) for _, cells in rows]
        if not place.labeled:
            return Rows(texts, None, skipped)
        column = columns["label"]
        labels = ((cells[column], f"'{table.file}', line {number}") for number, cells in rows)
        if task.kind == "regression":
            return Rows(texts, [gold_score(task, text, where) for text, where in labels], skipped)
        return Rows(texts, [label_id(task, text, where) for text, where in labels], skipped)

    def _file(self, task: Task, split: str) -> Path:
        """Return the path of a split's file; raise MissingSplitError if there is none."""
        folder = self.folder(task)
        file = folder / task.splits[split].file
        if not file.is_file():
            available = list_available(
                file.name, [entry.name for entry in folder.iterdir() if entry.is_file()]
            )
            raise MissingSplitError(
                f"no file '{file.name}' ({task.name} {split}) in '{folder}': {available}",
                absent=f"no file '{task.folder}/{file.name}'",
            )
        return file

    @property
    def _kind(self) -> str:
        return "GLUE folder" if self.name == GlueFolder.name else f"--{self.name} folder"

    def folder(self, task: Task) -> Path:
        """Return the subfolder of a task; raise DataError if there is none."""
        if not self.path.is_dir():
            raise DataError(
                f"no {self._kind} at '{self.path}'.",
                hint=f"Give the folder that holds {self.holds} with --{self.name} DIR.",
            )
        if task.folder is None:
            raise DataError(
                f"task {task.name} is not part of a {self._kind}: leave out the task, or name its data otherwise."
            )
        folder = self.path / task.folder
        if not folder.is_dir():
            available = list_available(
                task.folder, [entry.name for entry in self.path.iterdir() if entry.is_dir()]
            )
            nearby = [
                entry for entry in (self.path.parent, self.path / "glue") if (entry / task.folder).is_dir()
            ]
            missing = f"Put {task.dev_file} there." if task.files_from else None
            hint = f"Try --{self.name} '{nearby[0]}'." if nearby else missing
            raise DataError(
                f"no folder '{task.folder}' ({task.name}) in '{self.path}': {available}", hint=hint
            )
        return folder


def _columns(task: Task, place: Split, table: TsvTable) -> Mapping[str, int]:
    """Return the column index of each field, and of "label" if the split has labels."""
    names, header = task.columns_of(place), table.header
    if header is None:
        return {key: int(name) for key, name in names.items()}
    for name in names.values():
        if name not in header:
            raise DataError(
                f"no column '{name}' ({task.name}) in '{table.file}': {list_available(name, header)}"
            )
    return {key: header.index(name) for key, name in names.items()}


def _sound_rows(
    task: Task, table: TsvTable, columns: Mapping[str, int]
) -> tuple[list[tuple[int, list[str]]], int]:
    """Return the valid rows and the number of skipped ones; raise DataError for a row that lacks a needed cell.

    With `skip_broken`, for tasks with known broken rows, a row is skipped if it is not exactly as wide as the header or
    has an empty label. For other tasks such rows are not skipped.
    """
    if task.skip_broken:
        sound = list(_sound_flags(table, columns))
        return list(compress(table.rows, sound)), sound.count(False)
    needed = max(columns.values()) + 1
    for number, cells in table.rows:
        if len(cells) < needed:
            raise DataError(f"'{table.file}', line {number}: {len(cells)} columns, but {needed} are needed.")
    return table.rows, 0


def _sound_flags(table: TsvTable, columns: Mapping[str, int]) -> Iterator[bool]:
    """Yield for each row whether it has the right width and a label."""
    width = len(table.header) if table.header else max(columns.values()) + 1
    label = columns.get("label")
    for _, cells in table.rows:
        yield len(cells) == width and (label is None or cells[label] != "")
