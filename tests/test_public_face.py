"""The public face: every name is there, and importing the package costs nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import matekd_bench


def test_importing_loads_no_library_and_using_every_name_not_torch() -> None:
    probe = (
        "import sys, matekd_bench, matekd_bench.errors\n"
        "unwanted = 'torch transformers datasets evaluate pandas pydantic pluggy typer rich'.split()\n"
        "print([name for name in unwanted if name in sys.modules])\n"
        "for name in matekd_bench.__all__: getattr(matekd_bench, name)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "False"]


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(matekd_bench.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    seen = {
        alias.name for node in imports if str(node.module).startswith("matekd_bench.") for alias in node.names
    }
    assert seen | {"__version__"} == set(matekd_bench.__all__) == set(dir(matekd_bench))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'perturb'"):
        _ = matekd_bench.perturb
