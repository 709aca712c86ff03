"""The host: loads plugins one by one, so that a broken one costs its own row and nothing else.

Loading is tolerant: a plugin that fails is described in `Host.plugins`, and a name claimed twice stays
visible in `Host.conflicts`. Asking for a name is strict: :meth:`Host.method` and its like raise one
clear error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from matekd_bench.errors import BenchError, PluginError, UsageError, unknown
from matekd_bench.methods.record import Method
from matekd_bench.plugins.discovery import from_file, installed
from matekd_bench.plugins.loading import load_one, new_manager
from matekd_bench.plugins.provided import AnyRecord, PluginInfo, Provided, kind_of
from matekd_bench.tasks.record import Suite, Task

NOT_INSTALLED = (
    "matekd-bench is not installed, so its own methods and tasks are missing: "
    "run 'pip install -e .' in its folder."
)

LISTED_BY = {"method": "methods", "task": "tasks", "suite": "tasks"}
R = TypeVar("R", Method, Task, Suite)
Claims = tuple[Provided[AnyRecord], ...]


@dataclass(frozen=True)
class Host:
    """What plugins provide, by name; a name that two plugins claim is found in `conflicts` alone.

    `conflicts` is keyed by kind and name, e.g. ("method", "eda"). `refused` holds the methods that a plugin only
    announces to say why it does not offer them. `warnings` are lines to show to the user. `files` and
    `only_builtin` are what it was loaded with.
    """

    methods: Mapping[str, Provided[Method]]
    tasks: Mapping[str, Provided[Task]]
    suites: Mapping[str, Provided[Suite]]
    plugins: tuple[PluginInfo, ...]
    conflicts: Mapping[tuple[str, str], Claims]
    refused: Mapping[str, Provided[Method]]
    warnings: tuple[str, ...] = ()
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
        candidates += [from_file(path) for path in dict.fromkeys(path.resolve() for path in files)]
        manager, infos, provided = new_manager(), [], []
        for candidate in candidates:
            info, records = load_one(manager, candidate)
            if info.status == "broken" and candidate.by.path:
                raise PluginError(f"{info.by} cannot be used: {info.reason}")
            if info.status == "broken":
                warnings.append(f"{info.by} was left out: {info.reason}")
            infos.append(info)
            provided += records
        unique, conflicts = _by_name(provided)
        methods = _of_type(unique, Method)
        return cls(
            methods={name: one for name, one in methods.items() if one.record.refused is None},
            tasks=_of_type(unique, Task),
            suites=_of_type(unique, Suite),
            plugins=tuple(infos),
            conflicts=conflicts,
            refused={name: one for name, one in methods.items() if one.record.refused is not None},
            warnings=tuple(warnings),
            files=tuple(path.resolve() for path in files),
            only_builtin=only_builtin,
        )

    def method(self, name: str) -> Provided[Method]:
        """The method called `name`; UsageError with the nearest match, PluginError for a conflict."""
        return self._get("method", name, self.methods)

    def task(self, name: str) -> Provided[Task]:
        """The task called `name`; UsageError with the nearest match, PluginError for a conflict."""
        return self._get("task", name, self.tasks)

    def suite(self, name: str) -> Provided[Suite]:
        """The suite called `name`; UsageError with the nearest match, PluginError for a conflict."""
        return self._get("suite", name, self.suites)

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
        error = unknown(kind, name, allowed, command=f"matekd-bench {LISTED_BY[kind]}")
        if any(info.status == "broken" for info in self.plugins):
            error.hint = "Some plugins were left out: 'matekd-bench plugins' says why."
        return error

    def _get(self, kind: str, name: str, among: Mapping[str, Provided[R]]) -> Provided[R]:
        if name not in among:
            raise self.absent(kind, name, list(among))
        return among[name]


def conflict(kind: str, name: str, claims: Claims) -> PluginError:
    """The error for a name that several plugins claim; it names them all."""
    return PluginError(
        f"the {kind} name '{name}' is claimed by {' and by '.join(str(claim.by) for claim in claims)}:",
        hint="uninstall or rename one, or leave other packages out with --no-plugins.",
    )


def _by_name(
    provided: Sequence[Provided[AnyRecord]],
) -> tuple[list[Provided[AnyRecord]], dict[tuple[str, str], Claims]]:
    """Records whose name is theirs alone, and the claims on every other name."""
    claims: defaultdict[tuple[str, str], list[Provided[AnyRecord]]] = defaultdict(list)
    for one in provided:
        claims[kind_of(one.record), one.record.name].append(one)
    unique = [single for single, *others in claims.values() if not others]
    return unique, {key: tuple(several) for key, several in claims.items() if len(several) > 1}


def _of_type(provided: Sequence[Provided[AnyRecord]], kind: type[R]) -> dict[str, Provided[R]]:
    return {one.record.name: Provided(one.record, one.by) for one in provided if isinstance(one.record, kind)}
