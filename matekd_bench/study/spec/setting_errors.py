"""What is wrong with a study's settings, in one line that names the option or the config file's key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from matekd_bench.distill.settings import Settings
from matekd_bench.errors import UsageError, unknown

Key = tuple[str, ...]
# Where an option's value stands in the tables, if not under the option's own name.
OPTION_OF: Mapping[Key, str] = {
    ("training", "precision"): "--precision",
    ("teacher", "checkpoint"): "--teacher",
    ("student", "checkpoint"): "--student",
    ("generator", "checkpoint"): "--generator",
}


@dataclass(frozen=True)
class SettingOrigin:
    """Where the settings came from: the options, the config file's tables, that file, and the preset."""

    options: Mapping[str, Any]
    config: Mapping[str, Any]
    file: Path | None
    preset: str = ""

    def name(self, key: Key) -> str:
        """How the user wrote the setting: as an option, or as a key of the config file or the preset."""
        if _holds(self.options, key):
            return OPTION_OF.get(key, f"--{key[0].replace('_', '-')}")
        return f"setting '{'.'.join(key)}'{self.place(key)}"

    def place(self, key: Key) -> str:
        """In which file the setting stands, or in which preset where none of the file's tables has its name."""
        if self.file and _holds(self.config, key[:1]):
            return f" (in {self.file})"
        return f" (in preset '{self.preset}')" if self.preset else ""


def _holds(table: Any, key: Key) -> bool:
    for part in key:
        if not isinstance(table, Mapping) or part not in table:
            return False
        table = table[part]
    return True


def as_usage_error(error: ValidationError, model: type[Settings], origin: SettingOrigin) -> UsageError:
    """The first of pydantic's complaints about `model` as one line."""
    fault = error.errors(include_url=False)[0]
    key = tuple(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        near = [".".join((*key[:-1], name)) for name in _names(model, key[:-1])]
        return unknown(f"setting{origin.place(key)}", ".".join(key), near)
    name = origin.name(key)
    if fault["type"] == "missing":
        return UsageError(f"{name} is missing.")
    if fault["type"] == "model_type":
        return UsageError(f"{name} must be a table of settings, not {fault['input']!r}.")
    message = fault["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    value = "" if isinstance(fault["input"], Mapping) else f", not {fault['input']!r}"
    return UsageError(f"{name}: {message}{value}.")


def _names(model: Any, parents: Sequence[str]) -> list[str]:
    """The settings that exist inside the named tables."""
    for part in parents:
        annotation = model.model_fields[part].annotation
        options = [annotation, *getattr(annotation, "__args__", ())]
        model = next(one for one in options if isinstance(one, type) and issubclass(one, Settings))
    return list(model.model_fields)
