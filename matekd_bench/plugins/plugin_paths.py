"""Loads plugins given by path: a Python file, or tasks, suites and presets in TOML files, which run no code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from matekd_bench.errors import PluginError
from matekd_bench.plugins.discovery import Candidate, from_file
from matekd_bench.plugins.hookspecs import hookimpl
from matekd_bench.plugins.origin import ProvidedBy
from matekd_bench.plugins.record_types import Preset, load_presets
from matekd_bench.tasks.task import Suite, Task
from matekd_bench.tasks.task_files import SUITES, load_suites, load_task_file

PRESETS = "presets"  # the subfolder of a plugin's folder that holds presets


def from_path(path: Path) -> Candidate:
    """Return the plugin at `path`: a folder or a ``.toml`` file is read, any other file is imported."""
    if path.is_dir() or path.suffix == ".toml":
        return Candidate(ProvidedBy(plugin=path.stem, path=str(path)), lambda: _toml_plugin(path))
    return from_file(path)


def _toml_plugin(path: Path) -> TomlPlugin:
    """Return the plugin of a folder or a TOML file; raise PluginError if there is nothing to load."""
    if path.is_dir():
        files = tuple(sorted(file for file in path.glob("*.toml") if file.name != SUITES))
        if not files and not (path / SUITES).is_file() and not (path / PRESETS).is_dir():
            raise PluginError(f"it contains no task (*.toml), no {SUITES} and no folder '{PRESETS}'.")
        return TomlPlugin(files, path)
    if not path.is_file():
        raise PluginError("there is no such file.")
    return TomlPlugin((path,), None)


@dataclass(frozen=True)
class TomlPlugin:
    """A plugin that provides the records of a folder's TOML files, or of one task file."""

    files: tuple[Path, ...]
    folder: Path | None

    @hookimpl
    def matekd_bench_tasks(self) -> Iterator[Task]:
        """Provide one task per file."""
        for file in self.files:
            yield load_task_file(file)

    @hookimpl
    def matekd_bench_suites(self) -> Iterator[Suite]:
        """Provide the suites in ``suites.toml``."""
        if self.folder is not None:
            yield from load_suites(self.folder)

    @hookimpl
    def matekd_bench_presets(self) -> Iterator[Preset]:
        """Provide the presets in the subfolder ``presets``."""
        if self.folder is not None:
            yield from load_presets(self.folder / PRESETS)
