"""Errors in a study's settings, as one line that names the option or the key of the config file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from matekd_bench.distill.settings import Settings
from matekd_bench.errors import UsageError, first_problem

Key = tuple[str, ...]
# Options whose value has a key with another name in the tables.
OPTION_OF: Mapping[Key, str] = {
    ("training", "precision"): "--precision",
    ("teacher", "checkpoint"): "--teacher",
    ("student", "checkpoint"): "--student",
    ("generator", "checkpoint"): "--generator",
}


@dataclass(frozen=True)
class SettingOrigin:
    """The sources of a study's settings: options, tables of the config file, its path, tables and name of the preset.

    With `from_python` the options are keyword arguments.
    """

    options: Mapping[str, Any]
    config: Mapping[str, Any]
    file: Path | None
    preset_table: Mapping[str, Any]
    preset: str
    from_python: bool = False

    def name(self, key: Key) -> str:
        """Return the setting as the user wrote it: an option, or a key of the config file or the preset."""
        if self.from_python and _contains(self.options, key):
            return f"argument '{'.'.join(key)}'"
        if _contains(self.options, key):
            return OPTION_OF.get(key, f"--{key[0].replace('_', '-')}")
        return f"setting '{'.'.join(key)}'{self.place(key)}"

    def place(self, key: Key) -> str:
        """Return a note in parentheses that names the file with the setting, or else the preset; "" for an option.

        The place of a missing setting is that of the table that lacks it.
        """
        in_preset = f" (in preset '{self.preset}')"
        places = (self.options, ""), (self.config, f" (in {self.file})"), (self.preset_table, in_preset)
        for length in range(len(key), 0, -1):
            for settings, place in places:
                if _contains(settings, key[:length]):
                    return place
        return in_preset


def _contains(table: Any, key: Key) -> bool:
    """Return True if the nested tables have a value under `key`."""
    for part in key:
        if not isinstance(table, Mapping) or part not in table:
            return False
        table = table[part]
    return True


def as_usage_error(
    error: ValidationError, model: type[Settings], origin: SettingOrigin, also: Collection[str] = ()
) -> UsageError:
    """Turn the first of pydantic's errors about `model` into a UsageError of one line.

    `also` are further names that are allowed at the top level.
    """
    problem = first_problem(error, model)
    if problem.kind == "unknown":
        if len(problem.path) == 1:
            problem = problem._replace(names=(*problem.names, *also))
        return UsageError(problem.sentence("setting", origin.place(problem.path)))
    if not problem.path:  # several settings contradict each other
        return UsageError(f"{problem.reason}.")
    name = origin.name(problem.path)
    return UsageError(f"{name} is missing." if problem.kind == "missing" else f"{name}: {problem.reason}.")
