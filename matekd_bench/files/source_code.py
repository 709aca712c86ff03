"""Computes a digest of the source of modules and of the modules that they import, without importing any.

Imports are read from the source, including those inside functions, so the digest does not depend on what this process
has imported so far. Line ends are normalized, and byte code does not count.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from matekd_bench.files.hashing import bytes_digest, digest


class Source(NamedTuple):
    """The source of a module: its text, empty for compiled code, and the digest of its content."""

    text: str
    digest: str


# The source of each loaded module when it was first asked for, with the spec that loaded it. The module runs this
# code even if its file has changed since. A reload makes a new spec.
_loaded: WeakKeyDictionary[ModuleType, tuple[ModuleSpec, Source | None]] = WeakKeyDictionary()


def find_module(name: str) -> ModuleSpec | None:
    """Return the spec of a module, or None if there is none; unlike `importlib`, never import its parents."""
    top, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):  # ValueError: no name, or a module without a spec, such as `__main__`
        return None
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(f"{spec.name}.{part}", list(spec.submodule_search_locations))
    return spec


def source_digest(roots: Iterable[str], follows: Callable[[str], bool], private: str = "") -> str | None:
    """Return the digest of the modules `roots` and of all modules that they import and whose names `follows` accepts.

    The module `private` counts under an empty name, so that the digest does not depend on its name. Returns None if a
    module's content cannot be read, or if there is no module.
    """
    digests: dict[str, str] = {}
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        spec = find_module(name) if name not in seen and follows(name) else None
        seen.add(name)
        if spec is None:
            continue
        source = _source(spec)
        if source is None:
            return None
        digests[name] = source.digest
        package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
        waiting += _imports(source.text, package)
    return digest({"" if name == private else name: digests[name] for name in digests}) if digests else None


def _source(spec: ModuleSpec) -> Source | None:
    """Return the source of a module; None if it cannot be read."""
    module = sys.modules.get(spec.name)
    if module is None or module.__spec__ is None:
        return _read(spec)
    known = _loaded.get(module)
    if known is None or known[0] is not module.__spec__:
        known = _loaded[module] = (module.__spec__, _read(module.__spec__))
    return known[1]


def _read(spec: ModuleSpec) -> Source | None:
    """Read a module's text, with `\\n` as line ends, or the bytes of a module without text."""
    loader: Any = spec.loader
    try:
        text = loader.get_source(spec.name)
        if text is None:
            return Source("", bytes_digest(loader.get_data(spec.origin)))
    # AttributeError: a loader without these functions
    except (AttributeError, ImportError, SyntaxError, OSError):
        return None
    text = text.replace("\r\n", "\n").replace("\r", "\n")  # archives keep the line ends of their files
    return Source(text, bytes_digest(text.encode("utf-8", "surrogatepass")))


@lru_cache(maxsize=1024)
def _imports(text: str, package: str) -> tuple[str, ...]:
    """Return the full names of everything that `text`, a module of `package`, imports; some may not be modules."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):  # a module that cannot run imports nothing
        return ()
    names = (name for node in ast.walk(tree) for name in _imported_by(node, package))
    return tuple(dict.fromkeys(names))


def _imported_by(node: ast.AST, package: str) -> Iterator[str]:
    """Yield the names that an import statement, or a call of `import_module` with a literal, imports."""
    match node:
        case ast.Import(names=aliases):
            for alias in aliases:
                yield from _with_parents(alias.name)
        case ast.ImportFrom(module=name, names=aliases, level=level):
            module = _absolute("." * level + (name or ""), package)
            yield from (module, *(f"{module}.{alias.name}" for alias in aliases))
        case ast.Call(
            func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(name)), *_],
        ):
            yield _absolute(name, package)


def _with_parents(name: str) -> Iterator[str]:
    """Yield ``a``, ``a.b`` and ``a.b.c``: the statement ``import a.b.c`` makes all of them usable."""
    parts = name.split(".")
    yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _absolute(name: str, package: str) -> str:
    """Return the full name of a module that a module of `package` names, such as ``..helpers``."""
    relative = name.lstrip(".")
    if relative == name:
        return name
    parents = package.split(".")
    parents = parents[: len(parents) - (len(name) - len(relative) - 1)]
    return ".".join([*parents, relative] if relative else parents)
