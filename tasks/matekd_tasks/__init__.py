"""The tasks and suites that come with matekd-bench, one TOML file for each task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from matekd_bench import Suite, Task, hookimpl, load_suites, load_tasks

HERE = Path(__file__).parent


@hookimpl
def matekd_bench_tasks() -> Iterator[Task]:
    """The nine tasks of GLUE and its diagnostic set."""
    yield from load_tasks(HERE)


@hookimpl
def matekd_bench_suites() -> Iterator[Suite]:
    """The suites `glue` and `glue8`."""
    yield from load_suites(HERE)
