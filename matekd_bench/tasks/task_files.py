"""Task and suite records read from TOML files, strictly: keys are known, present and well typed."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from matekd_bench.errors import DataError, renamed
from matekd_bench.tasks.own.form import is_own
from matekd_bench.tasks.task import Split, Suite, Task

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

SUITES = "suites.toml"
UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")  # pydantic's words for an unknown key
Record = TypeVar("Record", Task, Suite)
_adapters: dict[type, TypeAdapter[Any]] = {}  # made once: that takes longer than reading a file


def load_tasks(folder: Path) -> list[Task]:
    """The tasks of every TOML file in `folder` but ``suites.toml``, in the order of the file names.

    The keys of a file are the fields of :class:`Task`; a task without a split named ``train`` is for
    evaluation only unless its key `train` names another. Raises DataError naming the file and the key.
    """
    files = sorted(file for file in _existing(folder).glob("*.toml") if file.name != SUITES)
    if not files:
        raise DataError(f"no task files (*.toml) in '{folder}'.")
    return [load_task_file(file) for file in files]


def load_task_file(file: Path) -> Task:
    """The task of one TOML file, a record or the flat form of data of one's own; DataError naming file and key."""
    table = _parsed(file)
    if is_own(table):
        return load_own(table, file)
    return _record(Task, _trained_or_not(table), file)


def load_suites(folder: Path) -> list[Suite]:
    """The suites of ``suites.toml`` in `folder`, a table each; none where there is no such file.

    Raises DataError naming the file and the key.
    """
    file = _existing(folder) / SUITES
    if not file.is_file():
        return []
    suites = []
    for name, table in _parsed(file).items():
        if not isinstance(table, dict):
            raise DataError(f"{file}: key '{name}': a suite is a table, like [{name}].")
        suites.append(_record(Suite, {"name": name, **table}, file))
    return suites


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise DataError(f"no folder '{folder}' to read tasks from.")
    return folder


def _trained_or_not(table: dict[str, Any]) -> dict[str, Any]:
    """`table` with `train` set to None where no split has that name: TOML has no word for None."""
    splits = table.get("splits")
    if isinstance(splits, dict) and "train" not in splits:
        return {"train": None, **table}
    return table


def _parsed(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 text ({error.reason} at byte {error.start}).") from error
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{file}: not valid TOML: {error}.") from error


def load_own(table: dict[str, Any], file: Path) -> Task:
    """The task of a table in the flat form; `file` is named in errors, its folder is where data files lie."""
    from pydantic import ValidationError

    from matekd_bench.tasks.own.own_task import OwnTask, own_task

    try:
        return own_task(OwnTask.model_validate_json(json.dumps(table, default=str)), file.parent)
    except ValidationError as error:
        raise DataError(f"{file}: {_complaint(OwnTask.model_fields, error.errors())}") from error
    except DataError as error:
        raise DataError(f"{file}: {error.message}") from error


def _record(kind: type[Record], table: dict[str, Any], file: Path) -> Record:
    """`table` as a record; by way of JSON, where pydantic's strict mode takes lists for tuples."""
    from pydantic import TypeAdapter, ValidationError

    try:
        if kind not in _adapters:
            _adapters[kind] = TypeAdapter(kind)
        record: Record = _adapters[kind].validate_json(json.dumps(table, default=str))
        return record
    except ValidationError as error:
        known = [field.name for field in fields(kind)]
        raise DataError(f"{file}: {_complaint(known, error.errors())}") from error
    except DataError as error:
        raise DataError(f"{file}: {error.message}") from error


def _complaint(known: Iterable[str], problems: list[ErrorDetails]) -> str:
    """One problem in our words: an unknown key before the key that its misspelling leaves missing."""
    problem = next((found for found in problems if found["type"] in UNKNOWN), problems[0])
    *parents, last = (str(part) for part in problem["loc"])
    key = ".".join([*parents, last])
    if problem["type"] == "missing":
        return f"missing key '{key}'."
    if problem["type"] in UNKNOWN:
        if (new := renamed(key)) is not None:
            return f"unknown key '{key}': it is called '{new}' now."
        names = [field.name for field in fields(Split)] if parents else list(known)
        near = get_close_matches(last, names, n=1)
        return f"unknown key '{key}'" + (f": did you mean '{near[0]}'?" if near else ".")
    return f"key '{key}': {problem['msg'][0].lower()}{problem['msg'][1:]}, not {problem['input']!r}."
