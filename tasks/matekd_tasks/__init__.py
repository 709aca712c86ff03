"""The tasks and suites that come with matekd-bench: GLUE, one TOML file for each task, and mini-GLUE."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from matekd_bench import Suite, Synonyms, Task, Thesaurus, hookimpl, load_suites, load_tasks
from matekd_tasks.mini import mini_tasks

HERE = Path(__file__).parent


@hookimpl
def matekd_bench_tasks() -> Iterator[Task]:
    """The nine tasks of GLUE, its diagnostic set, and the nine synthetic tasks that stand for GLUE's."""
    yield from _tasks()


@hookimpl
def matekd_bench_suites() -> Iterator[Suite]:
    """The suites `glue`, `glue8` and `mini-glue`."""
    yield from load_suites(HERE)


@hookimpl
def matekd_bench_thesauri() -> Iterator[Thesaurus]:
    """The thesaurus `mini`, of mini-GLUE's words."""
    yield Thesaurus(name="mini", summary="The words of mini-GLUE.", load=_mini_synonyms)


@cache
def _tasks() -> tuple[Task, ...]:
    return (*load_tasks(HERE), *mini_tasks())


@cache
def _mini_synonyms() -> Synonyms:
    text = (HERE / "mini" / "synonyms.txt").read_text(encoding="utf-8-sig")
    return Synonyms.of_groups("package:matekd_tasks/mini/synonyms.txt", text)
