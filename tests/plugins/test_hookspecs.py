"""The hooks: their examples run, and the entry points in force are those of pyproject.toml."""

from __future__ import annotations

import doctest
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from matekd_bench.plugins import event_hookspecs, hookspecs
from matekd_bench.plugins.provided import KINDS

ROOT = Path(__file__).resolve().parents[2]
HOOKS = [name for name in vars(hookspecs) if name.startswith("matekd_bench_")]
EVENTS = [name for name in vars(event_hookspecs) if name.startswith("matekd_bench_")]


def test_every_hook_has_a_record_and_every_record_a_hook() -> None:
    assert set(HOOKS) == set(KINDS)


def test_the_plugin_system_is_read_in_two_minutes() -> None:
    folder = Path(hookspecs.__file__).parent
    for file in ("hookspecs.py", "event_hookspecs.py", "host.py"):
        assert len((folder / file).read_text(encoding="utf-8").splitlines()) < 150


@pytest.mark.parametrize("hook", [*HOOKS, *EVENTS])
def test_the_example_in_the_docstring_runs(hook: str) -> None:
    home = hookspecs if hook in HOOKS else event_hookspecs
    [example] = doctest.DocTestFinder().find(getattr(home, hook), hook, globs={})
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_called_as_a_function_gives_nothing(hook: str) -> None:
    assert list(getattr(hookspecs, hook)()) == []


def test_installed_entry_points_are_those_of_the_project() -> None:
    try:
        installed = distribution("matekd-bench")
    except PackageNotFoundError:
        pytest.skip("matekd-bench is not installed: run 'pip install -e .'")
    written = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["matekd_bench"]
    found = {entry.name: entry.value for entry in installed.entry_points if entry.group == "matekd_bench"}
    assert found == written, "entry points are frozen at install: run 'pip install -e .' again"
