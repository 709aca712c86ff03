"""The records with which plugins provide presets, exporters and trackers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matekd_bench.errors import UsageError
from matekd_bench.files.reading import read_toml


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Settings that ``--preset NAME`` starts from, as the tables of a config file.

    The key `preset` in `settings` names another preset, which these settings override.
    """

    name: str
    summary: str = ""
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class ExportTable:
    """The table that an exporter writes: columns in order, and rows with a value (or None) for each column.

    `kind` is "leaderboard" (a row per method and protocol) or "runs" (a row per score). Scores are fractions.
    """

    kind: str
    columns: Sequence[str]
    rows: Sequence[Mapping[str, str | int | float | bool | None]]


@dataclass(frozen=True, kw_only=True)
class Exporter:
    """A file format of ``matekd-bench export``, found by its extension, e.g. ".xlsx".

    `write` returns the bytes of the file; equal tables must give equal bytes. `requires` are the modules that it
    imports, and `install` is the command that installs them.
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
    """A service or program to which ``run --track NAME`` reports a study.

    `start` is called with the results folder before any training. It returns an object whose methods are named like the
    events that they handle and are marked with `hookimpl`. `requires` and `install` have the same meaning as in
    `Exporter`.
    """

    name: str
    summary: str
    start: Callable[[Path], object]
    requires: tuple[str, ...] = field(default=())
    install: str = ""


def load_presets(folder: Path) -> list[Preset]:
    """Return a preset for every TOML file in `folder`, named like the file and sorted by name.

    The keys of a file are those of a config file, and `summary`. Raises UsageError for a file that is not TOML.
    """
    return [_preset(file) for file in sorted(folder.glob("*.toml"))]


def _preset(file: Path) -> Preset:
    settings = read_toml(file, UsageError)
    summary = settings.pop("summary", "")
    return Preset(name=file.stem, summary=str(summary), settings=settings)
