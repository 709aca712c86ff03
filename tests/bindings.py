"""Reads from their source which names the project's modules bind: importing them all takes a quarter of a minute."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

ROOT = Path(__file__).resolve().parents[1]
HOMES = {"matekd_bench": ROOT, "matekd_plugins": ROOT / "plugins", "matekd_tasks": ROOT / "tasks"}
Bound: TypeAlias = "Class | str | None"  # a class, the dotted name that an import gives, or any other value


@dataclass
class Class:
    """A class of a module: what its body and its methods bind, and its bases as they are written."""

    module: str
    bases: list[str]
    names: dict[str, Bound]


def exists(name: str) -> bool:
    """Whether a dotted name of the project is a module, or an attribute that one has when it is imported."""
    return _bound(name) or _imported(name)


@cache
def _bound(name: str) -> bool:
    """Whether the source binds the name. False may also mean that only an import can tell."""
    module, rest = _split(name)
    if not rest:
        return module != ""
    names = _names(module)
    return rest[0] in names and _has(names[rest[0]], rest[1:])


def _has(value: Bound, rest: list[str]) -> bool:
    if not rest:
        return True
    if isinstance(value, str):  # imported: what other libraries hold is not the question here
        return value.partition(".")[0] not in HOMES or _bound(".".join((value, *rest)))
    if value is None:
        return False
    if rest[0] in value.names:
        return _has(value.names[rest[0]], rest[1:])
    inherited = [_names(value.module).get(base) for base in value.bases]
    return any(_bound(".".join((one, *rest))) if isinstance(one, str) and one.partition(".")[0] in HOMES
               else isinstance(one, Class) and _has(one, rest) for one in inherited)  # fmt: skip


@cache
def _imported(name: str) -> bool:
    """Whether importing finds the name: for what is made while a module runs."""
    module, rest = _split(name)
    if not module:
        return False
    value: Any = importlib.import_module(module)
    for part in rest:
        fields = {**getattr(value, "model_fields", {}), **getattr(value, "__dataclass_fields__", {})}
        if part in fields:
            return part == rest[-1]
        if not hasattr(value, part):
            return False
        value = getattr(value, part)
    return True


def _split(name: str) -> tuple[str, list[str]]:
    """The longest start of a name that is a module, and the rest."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        if _file(".".join(parts[:end])) is not None:
            return ".".join(parts[:end]), parts[end:]
    return "", parts


@cache
def _file(module: str) -> Path | None:
    path = HOMES[module.partition(".")[0]].joinpath(*module.split("."))
    files = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return next((file for file in files if file.is_file()), None)


@cache
def _names(module: str) -> dict[str, Bound]:
    file = _file(module)
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    return _body(ast.parse(file.read_text(encoding="utf-8")).body, module, package)


def _body(statements: Iterable[ast.stmt], module: str, package: str) -> dict[str, Bound]:
    """What a body binds; what it does only for type checkers is left out."""
    found: dict[str, Bound] = {}
    for one in statements:
        match one:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                found[one.name] = None
            case ast.ClassDef():
                names = _body(one.body, module, package)
                found[one.name] = Class(module, [ast.unparse(_plain(base)) for base in one.bases],
                                        {**dict.fromkeys(_of_self(one)), **names})  # fmt: skip
            case ast.Import():
                found |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in one.names}
            case ast.ImportFrom():
                above = package.split(".")[: len(package.split(".")) - one.level + 1] if one.level else []
                source = ".".join([*above, *([one.module] if one.module else [])])
                found |= {alias.asname or alias.name: f"{source}.{alias.name}" for alias in one.names}
            case ast.If() if "TYPE_CHECKING" in ast.unparse(one.test):
                found |= _body(one.orelse, module, package)
            case _:
                found |= dict.fromkeys(_stored(one))
                inner = [part for part in ast.iter_child_nodes(one) if isinstance(part, ast.stmt)]
                found |= _body(inner, module, package)
    return found


def _plain(base: ast.expr) -> ast.expr:
    """A base class without its parameters."""
    return base.value if isinstance(base, ast.Subscript) else base


def _stored(statement: ast.stmt) -> set[str]:
    """Names that a statement assigns, annotations alone included."""
    return {
        one.id for one in ast.walk(statement) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
    }


def _of_self(made: ast.ClassDef) -> set[str]:
    """Attributes that the methods of a class give to its instances."""
    return {
        one.attr
        for one in ast.walk(made)
        if isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Store)
        and isinstance(one.value, ast.Name) and one.value.id == "self"
    }  # fmt: skip
