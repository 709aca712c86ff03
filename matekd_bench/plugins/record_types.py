"""The records by which plugins offer presets, exporters and trackers."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matekd_bench.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Settings that ``--preset NAME`` starts from: the tables of a config file.

    A key `preset` in them names another preset that these settings change.
    """

    name: str
    summary: str = ""
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class ExportTable:
    """What an exporter writes: columns in order, and rows with a value (or None) for each.

    `kind` is "leaderboard" (a row per method and protocol) or "runs" (a row per score). Scores are fractions.
    """

    kind: str
    columns: Sequence[str]
    rows: Sequence[Mapping[str, str | int | float | bool | None]]


@dataclass(frozen=True, kw_only=True)
class Exporter:
    """A file format of ``matekd-bench export``, found by its extension, e.g. ".xlsx".

    `write` makes the bytes of the file: the same for the same table. `requires` are the modules it imports, and
    `install` is the command that gets them.
    """

    extension: str
    summary: str
    write: Callable[[ExportTable], bytes]
    requires: tuple[str, ...] = ()
    install: str = ""

    @property
    def name(self) -> str:
        """The extension without its dot."""
        return self.extension.removeprefix(".")


@dataclass(frozen=True, kw_only=True)
class Tracker:
    """Something that ``run --track NAME`` reports a study to.

    `start` is called before any training with the results folder, and returns an object whose methods are marked
    with `hookimpl` and named as the events they want. `requires` and `install` are as for an exporter.
    """

    name: str
    summary: str
    start: Callable[[Path], object]
    requires: tuple[str, ...] = field(default=())
    install: str = ""


def load_presets(folder: Path) -> list[Preset]:
    """A preset for every TOML file in `folder`, named as the file; in the order of their names.

    The keys are those of a config file, `summary` among them. Raises UsageError for a file that is not TOML.
    """
    return [_preset(file) for file in sorted(folder.glob("*.toml"))]


def _preset(file: Path) -> Preset:
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"the preset '{file}' is not TOML: {error}.") from None
    summary = settings.pop("summary", "")
    return Preset(name=file.stem, summary=str(summary), settings=settings)
