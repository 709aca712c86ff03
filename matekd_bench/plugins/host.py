"""The host: loads plugins one by one, so that a broken one costs its own row and nothing else.

Loading is tolerant: a plugin that fails is described in `Host.plugins`, and a name claimed twice stays
visible in `Host.conflicts`. Asking for a name is strict: :meth:`Host.method` and its like raise one
clear error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pluggy

from matekd_bench.errors import BenchError, PluginError, UsageError, unknown
from matekd_bench.methods.method import Method
from matekd_bench.methods.thesaurus import Thesaurus
from matekd_bench.plugins.discovery import installed
from matekd_bench.plugins.loading import load_one, new_manager
from matekd_bench.plugins.naming import Claims, R, by_name, conflict, of_type
from matekd_bench.plugins.plugin_paths import from_path
from matekd_bench.plugins.provided import PluginInfo, Provided
from matekd_bench.plugins.record_types import Exporter, Preset, Tracker
from matekd_bench.tasks.task import Suite, Task

NOT_INSTALLED = (
    "matekd-bench is not installed, so its own methods and tasks are missing: "
    "run 'pip install -e .' in its folder."
)
LISTED_BY = {"method": "methods", "task": "tasks", "suite": "tasks"}  # the command that lists a kind


@dataclass(frozen=True)
class Host:
    """What plugins provide, by name; a name that two plugins claim is found in `conflicts` alone.

    `conflicts` is keyed by kind and name, e.g. ("method", "eda"). `refused` holds the methods that a plugin only
    announces to say why it does not offer them. `warnings` are lines to show to the user. `manager` knows every
    plugin that was loaded: events are told through it. `files` and `only_builtin` are what it was loaded with.
    """

    latest: ClassVar[Host | None] = (
        None  # the one loaded last in this process: see methods that ask for a thesaurus
    )

    methods: Mapping[str, Provided[Method]]
    tasks: Mapping[str, Provided[Task]]
    suites: Mapping[str, Provided[Suite]]
    plugins: tuple[PluginInfo, ...]
    conflicts: Mapping[tuple[str, str], Claims]
    refused: Mapping[str, Provided[Method]]
    warnings: tuple[str, ...] = ()
    thesauri: Mapping[str, Provided[Thesaurus]] = field(default_factory=dict)
    presets: Mapping[str, Provided[Preset]] = field(default_factory=dict)
    exporters: Mapping[str, Provided[Exporter]] = field(default_factory=dict)
    trackers: Mapping[str, Provided[Tracker]] = field(default_factory=dict)
    manager: pluggy.PluginManager = field(default_factory=new_manager, compare=False)
    files: tuple[Path, ...] = ()
    only_builtin: bool = False

    @classmethod
    def load(cls, files: Sequence[Path] = (), only_builtin: bool = False) -> Host:
        """Loads installed plugins (with `only_builtin` those of matekd-bench alone), then the given files.

        Raises PluginError for a file that cannot be loaded: the user asked for it.
        """
        found = list(installed())
        warnings = [] if any(one.built_in for one in found) else [NOT_INSTALLED]
        candidates = [one for one in found if one.built_in or not only_builtin]
        candidates += [from_path(path) for path in dict.fromkeys(path.resolve() for path in files)]
        manager, infos, provided = new_manager(), [], []
        for candidate in candidates:
            info, records = load_one(manager, candidate)
            if info.status == "broken" and candidate.by.path:
                raise PluginError(f"{info.by} cannot be used: {info.reason}")
            if info.status == "broken":
                warnings.append(f"{info.by} was left out: {info.reason}")
            warnings += [f"{info.by}: {notice}." for notice in info.notices]
            infos.append(info)
            provided += records
        unique, conflicts = by_name(provided)
        methods = of_type(unique, Method)
        Host.latest = cls(
            methods={name: one for name, one in methods.items() if one.record.refused is None},
            tasks=of_type(unique, Task),
            suites=of_type(unique, Suite),
            plugins=tuple(infos),
            conflicts=conflicts,
            refused={name: one for name, one in methods.items() if one.record.refused is not None},
            warnings=tuple(warnings),
            thesauri=of_type(unique, Thesaurus),
            presets=of_type(unique, Preset),
            exporters=of_type(unique, Exporter),
            trackers=of_type(unique, Tracker),
            manager=manager,
            files=tuple(path.resolve() for path in files),
            only_builtin=only_builtin,
        )
        return Host.latest

    def method(self, name: str) -> Provided[Method]:
        """The method called `name`; UsageError with the nearest match, PluginError for a conflict."""
        return self.get("method", name, self.methods)

    def task(self, name: str) -> Provided[Task]:
        """The task called `name`; UsageError with the nearest match, PluginError for a conflict."""
        return self.get("task", name, self.tasks)

    def suite(self, name: str) -> Provided[Suite]:
        """The suite called `name`; UsageError with the nearest match, PluginError for a conflict."""
        return self.get("suite", name, self.suites)

    def get(self, kind: str, name: str, among: Mapping[str, Provided[R]]) -> Provided[R]:
        """The record called `name` among those of its kind; errors as for a method."""
        if name not in among:
            raise self.absent(kind, name, list(among))
        return among[name]

    def absent(self, kind: str, name: str, allowed: Sequence[str]) -> BenchError:
        """Why there is no such name: a conflict, a broken plugin, no installation, or a slip of the pen."""
        if (kind, name) in self.conflicts:
            return conflict(kind, name, self.conflicts[kind, name])
        if kind == "method" and name in self.refused:
            return UsageError(f"the method '{name}' is not offered: {self.refused[name].record.refused}")
        for info in self.plugins:
            if info.status == "broken" and info.name in (name, name.partition(":")[0]):
                return PluginError(f"the {kind} '{name}' is missing: {info.by} is broken: {info.reason}")
        if NOT_INSTALLED in self.warnings:
            return PluginError(f"unknown {kind} '{name}': {NOT_INSTALLED}")
        error = unknown(kind, name, allowed)
        command = f"matekd-bench {LISTED_BY.get(kind, 'plugins')}"
        error.hint = f"'{command}' lists them; a file of your own is named with --plugin FILE."
        if any(info.status == "broken" for info in self.plugins):
            error.hint = "Some plugins were left out: 'matekd-bench plugins' says why."
        return error
