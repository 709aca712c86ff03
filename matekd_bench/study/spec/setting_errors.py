"""Errors in a study's settings, as one line that names the option or the config file's key."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from matekd_bench.distill.settings import Settings
from matekd_bench.errors import UsageError, unknown

Key = tuple[str, ...]
# Options whose value has a key of another name in the tables.
OPTION_OF: Mapping[Key, str] = {
    ("training", "precision"): "--precision",
    ("teacher", "checkpoint"): "--teacher",
    ("student", "checkpoint"): "--student",
    ("generator", "checkpoint"): "--generator",
}


@dataclass(frozen=True)
class SettingOrigin:
    """The sources of a study's settings: the options, the tables of the config file, its path, and the preset."""

    options: Mapping[str, Any]
    config: Mapping[str, Any]
    file: Path | None
    preset: str = ""

    def name(self, key: Key) -> str:
        """Return the setting as the user wrote it: an option, or a key of the config file or the preset."""
        if _contains(self.options, key):
            return OPTION_OF.get(key, f"--{key[0].replace('_', '-')}")
        return f"setting '{'.'.join(key)}'{self.place(key)}"

    def place(self, key: Key) -> str:
        """Return the file that holds the setting, else the preset, as a note in parentheses; "" for an option."""
        if _contains(self.options, key[:1]):
            return ""
        if self.file and _contains(self.config, key[:1]):
            return f" (in {self.file})"
        return f" (in preset '{self.preset}')" if self.preset else ""


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

    `also` are names outside the model that exist at the top level too.
    """
    problem = error.errors(include_url=False)[0]
    key = tuple(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        allowed = [".".join((*key[:-1], name)) for name in _setting_names(model, key[:-1])]
        allowed += also if len(key) == 1 else ()
        return unknown(f"setting{origin.place(key)}", ".".join(key), allowed)
    name = origin.name(key)
    if problem["type"] == "missing":
        return UsageError(f"{name} is missing.")
    if problem["type"] == "model_type":
        return UsageError(f"{name} must be a table of settings, not {problem['input']!r}.")
    message = problem["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    value = "" if isinstance(problem["input"], Mapping) else f", not {problem['input']!r}"
    return UsageError(f"{name}: {message}{value}.")


def _setting_names(model: Any, parents: Sequence[str]) -> list[str]:
    """Return the settings that exist in the table that the keys `parents` lead to."""
    for key in parents:
        annotation = model.model_fields[key].annotation
        types = [annotation, *getattr(annotation, "__args__", ())]  # the members of `X | None` too
        model = next(option for option in types if isinstance(option, type) and issubclass(option, Settings))
    return list(model.model_fields)
