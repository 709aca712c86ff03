"""Loads plugins one by one and looks up what they provide.

Loading is tolerant: a broken plugin is listed in `Host.plugins` and affects no other plugin. A name that two plugins
claim is listed in `Host.conflicts`. Looking up a name is strict: :meth:`Host.method` and others raise an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pluggy

from matekd_bench.errors import BenchError, PluginError, UsageError, unknown
from matekd_bench.methods.method import Method
from matekd_bench.methods.thesaurus import Thesaurus
from matekd_bench.plugins.discovery import installed_plugins
from matekd_bench.plugins.loading import load_each, new_manager
from matekd_bench.plugins.naming import Claims, R, conflict_error, records_of_type, split_conflicts
from matekd_bench.plugins.plugin_paths import from_path
from matekd_bench.plugins.provided import PluginInfo, Provided
from matekd_bench.plugins.record_types import Exporter, Preset, Tracker
from matekd_bench.spelling import match_name
from matekd_bench.tasks.task import Suite, Task

NOT_INSTALLED = (
    "matekd-bench is not installed, so its own methods and tasks are missing: "
    "run 'pip install -e .' in its folder."
)
LISTED_BY = {"method": "methods", "task": "tasks", "suite": "tasks"}  # the command that lists a kind


@dataclass(frozen=True)
class Host:
    """The records of all loaded plugins, by name; a name that two plugins claim is in `conflicts` only.

    `conflicts` is keyed by kind and name, e.g. ("method", "eda"). `refused` holds methods that a plugin names only to
    explain why it does not offer them. `warnings` are lines to show to the user. `manager` knows every loaded plugin
    and is used to send events. `files` and `only_builtin` are the arguments of :meth:`load`. `in_process` are the names
    of methods that are defined in this process, which no other process can load.
    """

    # The most recently loaded host of this process: find_thesaurus looks up names in it.
    latest: ClassVar[Host | None] = None

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
    in_process: tuple[str, ...] = ()

    @classmethod
    def load(
        cls,
        files: Sequence[Path] = (),
        only_builtin: bool = False,
        objects: Sequence[Provided[Method]] = (),
    ) -> Host:
        """Load installed plugins (with `only_builtin` only those of matekd-bench), then the given files.

        `objects` are methods that this process defines; a method that a plugin also provides counts once. Raises
        PluginError for a file that cannot be loaded, because the user asked for it.
        """
        installed = list(installed_plugins())
        warnings = [] if any(candidate.by.built_in for candidate in installed) else [NOT_INSTALLED]
        candidates = [candidate for candidate in installed if candidate.by.built_in or not only_builtin]
        candidates += [from_path(path) for path in dict.fromkeys(path.resolve() for path in files)]
        manager = new_manager()
        infos, provided = load_each(manager, candidates)
        warnings += [f"{info.by} was left out: {info.reason}" for info in infos if info.status == "broken"]
        own = [entry for entry in objects if entry.record not in [announced.record for announced in provided]]
        unique, conflicts = split_conflicts([*provided, *own])
        methods = records_of_type(unique, Method)
        Host.latest = cls(
            methods={name: method for name, method in methods.items() if method.record.refused is None},
            tasks=records_of_type(unique, Task),
            suites=records_of_type(unique, Suite),
            plugins=tuple(infos),
            conflicts=conflicts,
            refused={name: method for name, method in methods.items() if method.record.refused is not None},
            warnings=tuple(warnings),
            thesauri=records_of_type(unique, Thesaurus),
            presets=records_of_type(unique, Preset),
            exporters=records_of_type(unique, Exporter),
            trackers=records_of_type(unique, Tracker),
            manager=manager,
            files=tuple(path.resolve() for path in files),
            only_builtin=only_builtin,
            in_process=tuple(entry.record.name for entry in own),
        )
        return Host.latest

    def method(self, name: str) -> Provided[Method]:
        """Return the method called `name`; raise UsageError with the nearest match, PluginError for a conflict."""
        return self.get("method", name, self.methods)

    def task(self, name: str) -> Provided[Task]:
        """Return the task called `name`; errors as for a method."""
        return self.get("task", name, self.tasks)

    def suite(self, name: str) -> Provided[Suite]:
        """Return the suite called `name`; errors as for a method."""
        return self.get("suite", name, self.suites)

    def get(self, kind: str, name: str, among: Mapping[str, Provided[R]]) -> Provided[R]:
        """Return the record called `name` from `among`, the records of its kind; errors as for a method."""
        if (known_name := self.known_name(kind, name, among)) not in among:
            raise self.missing_error(kind, name, list(among))
        return among[known_name]

    def known_name(self, kind: str, name: str, among: Iterable[str]) -> str:
        """Return the name among `among` for another spelling of it, such as `MATE-KD`; return other names unchanged."""
        # Names with an error of their own are included, so that none of them leads to a similar record.
        conflicts = [claimed for claimed_kind, claimed in self.conflicts if claimed_kind == kind]
        return match_name(name, [*among, *conflicts, *(self.refused if kind == "method" else ())])

    def missing_error(self, kind: str, name: str, allowed: Sequence[str]) -> BenchError:
        """Return the error for a name that cannot be looked up.

        The reason is a conflict, a refused method, a broken plugin, a missing installation, or simply a wrong name.
        `allowed` are the names to suggest.
        """
        if (kind, name) in self.conflicts:
            return conflict_error(kind, name, self.conflicts[kind, name])
        if kind == "method" and name in self.refused:
            return UsageError(f"the method '{name}' is not offered: {self.refused[name].record.refused}")
        for info in self.plugins:
            if info.status == "broken" and info.name in (name, name.partition(":")[0]):
                return PluginError(f"the {kind} '{name}' is missing: {info.by} is broken: {info.reason}")
        if NOT_INSTALLED in self.warnings:
            return PluginError(f"unknown {kind} '{name}': {NOT_INSTALLED}")
        error = unknown(kind, name, allowed)
        command = f"matekd-bench {LISTED_BY.get(kind, 'plugins')}"
        error.hint = f"'{command}' lists them; load a file of your own with --plugin FILE."
        if any(info.status == "broken" for info in self.plugins):
            error.hint = "Some plugins were left out: 'matekd-bench plugins' shows why."
        return error
