"""Finds plugins: entry points of installed distributions, and single Python files given by path."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.abc import ExecutionLoader
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from matekd_bench.errors import PluginError, file_problem
from matekd_bench.plugins.origin import ProvidedBy

GROUP = "matekd_bench"


@dataclass(frozen=True)
class Candidate:
    """A plugin that has been found but not imported; `load` imports it."""

    by: ProvidedBy
    load: Callable[[], object]


def installed_plugins() -> Iterator[Candidate]:
    """Yield the plugins of installed distributions, matekd-bench's own first, then by distribution and name."""
    versions: dict[int, tuple[str, str]] = {}
    candidates = [_candidate(entry, versions) for entry in entry_points(group=GROUP)]
    yield from sorted(
        candidates,
        key=lambda candidate: (
            not candidate.by.built_in,
            candidate.by.distribution or "",
            candidate.by.plugin,
        ),
    )


def _candidate(entry: EntryPoint, versions: dict[int, tuple[str, str]]) -> Candidate:
    """Return the candidate of an entry point.

    `versions` caches name and version by the id of the distribution object, because each look-up parses its metadata.
    """
    distribution = entry.dist
    if distribution is None:
        name, version = "an unnamed distribution", "without version"
    else:
        if id(distribution) not in versions:
            metadata = distribution.metadata
            versions[id(distribution)] = metadata["Name"], metadata["Version"]
        name, version = versions[id(distribution)]
    return Candidate(
        ProvidedBy(plugin=entry.name, distribution=name, version=version), partial(_import_entry, entry)
    )


def _import_entry(entry: EntryPoint) -> object:
    """Import what an entry point names; raise PluginError if the module or the attribute does not exist."""
    try:
        return entry.load()
    except ModuleNotFoundError as error:
        if f"{entry.module}.".startswith(
            f"{error.name}."
        ):  # otherwise the module exists and imports a missing one
            raise PluginError(_no_entry(entry, f"module '{error.name}'")) from error
        raise
    except AttributeError as error:
        if error.obj is sys.modules.get(entry.module) and error.name in entry.attr.split("."):
            raise PluginError(_no_entry(entry, f"'{error.name}' in the module '{entry.module}'")) from error
        raise


def _no_entry(entry: EntryPoint, missing: str) -> str:
    return f'there is no {missing}: correct the entry point {entry.name} = "{entry.value}" in its pyproject.toml.'


def from_file(path: Path) -> Candidate:
    """Return the one-file plugin at `path`.

    The file is read only once, so that the digest of its source is that of the code that will run.
    Raises PluginError if it cannot be read.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise PluginError(file_problem(path, error)) from error
    by = ProvidedBy(plugin=path.stem, path=str(path))
    return Candidate(by, lambda: _import_source(path, source))


class _SourceLoader(ExecutionLoader):
    """A loader of source that is already in memory, so that no outdated byte code is used instead."""

    def __init__(self, path: Path, source: bytes) -> None:
        self.path, self.source = path, source

    def get_filename(self, fullname: str) -> str:
        return str(self.path)

    def get_source(self, fullname: str) -> str:
        return importlib.util.decode_source(self.source)


def _import_source(path: Path, source: bytes) -> object:
    """Import `source` under a private name that no installed module can have."""
    name = f"_matekd_bench_plugin_{hashlib.sha256(str(path).encode() + source).hexdigest()[:16]}"
    spec = importlib.util.spec_from_loader(name, _SourceLoader(path, source))
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot make a module of {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pydantic and dataclasses look up a class's module while it is defined
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
