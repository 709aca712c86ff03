"""Reads task and suite records from TOML files; unknown, missing or badly typed keys are errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from matekd_bench.errors import DataError
from matekd_bench.files.reading import checked_record, read_toml
from matekd_bench.tasks.library_metric import PREFIX, read_metrics
from matekd_bench.tasks.own.flat_form import is_flat_form
from matekd_bench.tasks.task import Suite, Task

SUITES = "suites.toml"
Record = TypeVar("Record")


def load_tasks(folder: Path) -> list[Task]:
    """Return the tasks of all TOML files in `folder` except ``suites.toml``, sorted by file name.

    The keys of a file are the fields of :class:`Task`. A task without a split named ``train`` is for evaluation only,
    unless its key `train` names another split. Raises DataError naming the file and the key.
    """
    files = sorted(file for file in _existing(folder).glob("*.toml") if file.name != SUITES)
    if not files:
        raise DataError(f"no task files (*.toml) in '{folder}'.")
    return [load_task_file(file) for file in files]


def load_task_file(file: Path) -> Task:
    """Return the task of one TOML file, a `Task` record or the flat form for the user's own data.

    Raises DataError naming the file and the key.
    """
    table = read_toml(file)
    if is_flat_form(table):
        return load_own_task(table, file)
    return _record(Task, _with_library_metrics(_with_train_key(table), file.parent), file)


def load_suites(folder: Path) -> list[Suite]:
    """Return the suites of ``suites.toml`` in `folder`, one per table; an empty list if there is no such file.

    Raises DataError naming the file and the key.
    """
    file = _existing(folder) / SUITES
    if not file.is_file():
        return []
    suites = []
    for name, table in read_toml(file).items():
        if not isinstance(table, dict):
            raise DataError(f"'{file}': key '{name}': a suite must be a table, like [{name}].")
        suites.append(_record(Suite, {"name": name, **table}, file))
    return suites


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise DataError(f"no folder '{folder}' to read tasks from.")
    return folder


def _with_train_key(table: dict[str, Any]) -> dict[str, Any]:
    """Return `table`, with `train` set to None if no split has that name, because TOML has no None."""
    splits = table.get("splits")
    if isinstance(splits, dict) and "train" not in splits:
        return {"train": None, **table}
    return table


def _with_library_metrics(table: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return `table` with the places of the metrics that the library evaluate loads, if it names any."""
    named = table.get("metrics")
    if not isinstance(named, list) or not any(str(metric).startswith(PREFIX) for metric in named):
        return table
    names, library = read_metrics(list(map(str, named)), folder)
    return {**table, "metrics": names, "library_metrics": {name: vars(one) for name, one in library.items()}}


def load_own_task(table: dict[str, Any], file: Path) -> Task:
    """Return the task of a table in the flat form.

    Paths of data files are relative to the folder of `file`; errors name `file`.
    """
    from matekd_bench.tasks.own.own_task import OwnTask, own_task

    own = _record(OwnTask, table, file)
    try:
        return own_task(own, file.parent)
    except DataError as error:
        raise DataError(f"'{file}': {error.message}") from error


def _record(kind: type[Record], table: dict[str, Any], file: Path) -> Record:
    """Return `table` as a record.

    It is converted to JSON first, because pydantic's strict mode accepts lists for tuples only in JSON.
    """
    return checked_record(json.dumps(table, default=str), kind, file)
