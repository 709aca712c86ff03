"""The order of the house: one name for one thing, rooms of a size that can be overseen, no import circle."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from bindings import ROOT

PACKAGES = {
    "matekd_bench": ROOT / "matekd_bench",
    "matekd_plugins": ROOT / "plugins" / "matekd_plugins",
    "matekd_tasks": ROOT / "tasks" / "matekd_tasks",
}
MAX_FILES, MAX_LINES = 15, 400


@cache
def modules(package: str) -> dict[str, Path]:
    """Every module of a package by its dotted name."""
    home = PACKAGES[package]
    return {
        ".".join(path.relative_to(home.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(home.rglob("*.py"))
    }


def imports(package: str, module: str) -> Iterator[str]:
    """The modules of the same package that a module imports, at its top or inside functions."""
    known = modules(package)
    for node in ast.walk(ast.parse(known[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module in known and not node.level:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in known else node.module


@pytest.mark.parametrize("package", PACKAGES)
def test_no_two_files_have_one_name(package: str) -> None:
    places = defaultdict(list)
    for path in modules(package).values():
        if path.name != "__init__.py":
            places[path.name].append(str(path.relative_to(ROOT)))
    assert not [paths for paths in places.values() if len(paths) > 1]


def test_no_class_is_defined_twice() -> None:
    places = defaultdict(list)
    for module, path in modules("matekd_bench").items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(module)
    assert not {name: homes for name, homes in places.items() if len(homes) > 1}


@pytest.mark.parametrize("package", ["matekd_bench", "matekd_tasks"])
def test_there_is_no_import_circle(package: str) -> None:
    """A built-in method's folder may import its heavy module late, and that one the parameters from the folder."""
    graph = {
        module: {other for other in imports(package, module) if other != module}
        for module in modules(package)
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("package", PACKAGES)
def test_rooms_and_files_have_a_size_that_can_be_overseen(package: str) -> None:
    files = defaultdict(int)
    for path in modules(package).values():
        files[path.parent] += path.name != "__init__.py"
        assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES, path
    assert not {str(folder.relative_to(ROOT)): n for folder, n in files.items() if n > MAX_FILES}
