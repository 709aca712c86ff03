"""Identifies the code of a method: distribution, version, digest of its source, and the libraries that it names."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path, PurePath
from typing import Any

from matekd_bench.errors import PluginError
from matekd_bench.files.hashing import digest
from matekd_bench.files.object_source import SourceParts
from matekd_bench.files.source_code import find_module, source_digest
from matekd_bench.methods.method import FUNCTIONS, Method
from matekd_bench.methods.perturbation import Perturbation
from matekd_bench.plugins.origin import OWN_PACKAGES, ProvidedBy, normalized

NOT_INSTALLED = "not installed"
INSTALLED = {"site-packages", "dist-packages"}  # folders of installed packages, which nobody edits


@dataclass(frozen=True)
class MethodCode:
    """The code of one method.

    `distribution` and `version` are those of the installed package that provides it; None for a file. `path` is the
    file of its class or factory, and `file` the same path below the folder of its package. `digest` is the SHA-256 of
    the source of its modules and of the modules of the same origin that they import; None if the source cannot be read.
    `libraries` maps the libraries that the method names to their versions, or to NOT_INSTALLED. `built_in` is True for
    methods of matekd-bench itself, whose code is identified by their version and `ENGINE`.
    """

    method: str
    distribution: str | None
    version: str | None
    path: str | None
    file: str | None
    digest: str | None
    libraries: Mapping[str, str]
    built_in: bool

    def __str__(self) -> str:
        return f"method '{self.method}': {self.path}, source {(self.digest or 'unknown')[:12]}"

    @property
    def identity(self) -> Mapping[str, Any] | None:
        """The part of a run's identity that identifies the code; None for a built-in method."""
        if self.built_in:
            return None
        unknown = {"name": self.distribution, "version": self.version}
        return {**({"digest": self.digest} if self.digest else unknown), "libraries": dict(self.libraries)}


def code_of(method: Method, by: ProvidedBy, plugin: str) -> MethodCode:
    """Return the current code of a method that the module `plugin` provides.

    A loaded module counts with the source that it had when it was first asked for, right after its import.
    """
    roots = _modules_of(method, plugin)
    own = {_top(plugin)}
    if not by.built_in:
        own |= _top_modules(by.distribution) | _top_modules_of_bases(method)
    follows = partial(_is_of_same_origin, own=frozenset(own), built_in=by.built_in)
    if not follows(roots[0]):  # the class is from another distribution: the plugin defines how it is used
        roots.append(plugin)
    main = next(filter(follows, roots))
    path, file = _files(main)
    return MethodCode(
        method=method.name, distribution=by.distribution, version=by.version, path=path, file=file,
        digest=source_digest(roots, follows, private=plugin),
        libraries={name: _version(name) for name in method.libraries}, built_in=by.built_in,
    )  # fmt: skip


def code_in_process(method: Method) -> MethodCode:
    """Return the current code of a method that a script or a notebook defines.

    Its digest covers its definitions, everything that they use, and those of the used modules that belong to no
    distribution. Raises PluginError if the source cannot be read or does not determine everything that the method uses.
    """
    sources = SourceParts(partial(_is_of_same_origin, own=frozenset(), built_in=False))
    try:
        for name, value in objects_of(method).items():
            sources.add(name, value)
    except ValueError as error:
        raise PluginError(
            f"method '{method.name}': {error}:",
            hint="write the method to a file, and name the file with plugins=[FILE].",
        ) from None
    file = Path(sources.file or "")
    name = file.name if file.is_file() else "a cell"
    return MethodCode(
        method=method.name, distribution=None, version=None, path=name, file=name, digest=digest(sources.parts),
        libraries={name: _version(name) for name in method.libraries}, built_in=False,
    )  # fmt: skip


def objects_of(method: Method) -> dict[str, Any]:
    """Return the classes and functions that make up a method, by the names of its record's fields."""
    objects = {name: getattr(method, name) for name in ("factory", "params", *FUNCTIONS)}
    # Fields that were added later count only if the method sets them, so that other methods keep their digests.
    later = [name for name in FUNCTIONS[3:] if _is_of_suite(objects[name])]
    return {name: value for name, value in objects.items() if name not in later}


def _is_of_suite(function: Any) -> bool:
    """Return True for a default function of matekd-bench."""
    return str(getattr(function, "__module__", None)).startswith("matekd_bench.")


def _modules_of(method: Method, plugin: str) -> list[str]:
    """Return the names of the modules that define a method, that of its factory first."""
    factory = method.factory
    while isinstance(factory, partial):
        factory = factory.func
    parts: list[Any] = [*(inspect.getmro(factory) if isinstance(factory, type) else [factory])]
    functions = [getattr(method, name) for name in FUNCTIONS]
    parts += [*inspect.getmro(method.params), *functions]
    names = [name for part in parts if isinstance(name := getattr(part, "__module__", None), str)]
    # An object made by a call, such as a partial or a closure, has arguments of the module that makes it.
    if not all(map(_is_named, (method.factory, *functions))):
        names.append(plugin)
    return list(dict.fromkeys(names))


def _is_named(function: Any) -> bool:
    """Return True for a class, function or method that its module holds under its name."""
    if not (isinstance(function, type) or inspect.isroutine(function)):
        return False
    return "<" not in function.__qualname__  # as in `make.<locals>.method` and `<lambda>`


def _is_of_same_origin(module: str, own: frozenset[str], built_in: bool) -> bool:
    """Return True for a module of the method's distribution, or of no distribution, which a user may edit.

    `own` are the top-level modules of the distribution and of base classes of the method. The core of matekd-bench is
    never followed, because `ENGINE` represents it.
    """
    top = _top(module)
    if top in own:
        return True
    if built_in or top in OWN_PACKAGES or top in sys.stdlib_module_names:
        return False
    return _has_no_distribution(top)


def _has_no_distribution(top: str) -> bool:
    """Return True if a module lies outside the folders of installed packages and no distribution has its name."""
    spec = find_module(top)
    places = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or ())]
    paths = [PurePath(place) for place in places if place]
    if not paths or any(INSTALLED.intersection(path.parts) for path in paths):
        return False
    return _version(top) == NOT_INSTALLED


def _top_modules(distribution: str | None) -> set[str]:
    """Return the top-level modules that an installed distribution lists among its files."""
    try:
        files = metadata.files(distribution) or [] if distribution else []
    except (metadata.PackageNotFoundError, ValueError):
        return set()
    return {PurePath(file).parts[0].removesuffix(".py") for file in files if file.suffix == ".py"}


def _top_modules_of_bases(method: Method) -> set[str]:
    """Return the top-level modules of the classes that a method's class extends, such as those of another plugin."""
    bases = inspect.getmro(method.factory) if isinstance(method.factory, type) else ()
    names = {_top(base.__module__) for base in bases if issubclass(base, Perturbation)}
    return names - OWN_PACKAGES


def _top(module: str) -> str:
    """Return the top-level package of a module."""
    return module.partition(".")[0]


def _version(distribution: str) -> str:
    """Return the version of an installed distribution; NOT_INSTALLED if there is none."""
    try:
        return metadata.version(normalized(distribution))
    except (metadata.PackageNotFoundError, ValueError):
        return NOT_INSTALLED


def _files(module: str) -> tuple[str | None, str | None]:
    """Return the path of a module's file, and its path relative to the folder in which Python finds its package."""
    spec = find_module(module)
    if spec is None or not spec.origin:
        return None, None
    path = Path(spec.origin)
    depth = module.count(".") + 1 + (path.name == "__init__.py")
    return str(path), PurePath(*path.parts[-depth:]).as_posix()
