"""The built-in tasks and suites: GLUE, with one TOML file per task, sets for evaluation only, and mini-GLUE."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from matekd_bench import Suite, Synonyms, Task, Thesaurus, hookimpl, load_suites, load_tasks
from matekd_tasks.mini import mini_tasks

HERE = Path(__file__).parent
FURTHER = HERE / "further"  # evaluation only, for --also


@hookimpl
def matekd_bench_tasks() -> Iterator[Task]:
    """Provide the nine tasks of GLUE, the sets for evaluation only, and the nine synthetic tasks of mini-GLUE."""
    yield from _tasks()


@hookimpl
def matekd_bench_suites() -> Iterator[Suite]:
    """Provide the suites `glue`, `glue8`, `mini-glue` and `advglue`."""
    yield from load_suites(HERE)
    yield from load_suites(FURTHER)


@hookimpl
def matekd_bench_thesauri() -> Iterator[Thesaurus]:
    """Provide the thesaurus `mini` with the words of mini-GLUE."""
    yield Thesaurus(name="mini", summary="The words of mini-GLUE.", load=_mini_synonyms)


@cache
def _tasks() -> tuple[Task, ...]:
    return (*load_tasks(HERE), *load_tasks(FURTHER), *mini_tasks())


@cache
def _mini_synonyms() -> Synonyms:
    text = (HERE / "mini" / "synonyms.txt").read_text(encoding="utf-8-sig")
    return Synonyms.of_groups("package:matekd_tasks/mini/synonyms.txt", text)
