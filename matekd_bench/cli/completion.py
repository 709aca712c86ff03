"""Shell completion for names of methods, tasks, presets and more, without loading torch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host

Completions = list[tuple[str, str]]  # the completed word and its description, for shells that show one


def methods(incomplete: str) -> Completions:
    """Complete the last name in a comma-separated list of methods."""
    return _complete_last(
        incomplete, ((name, provided.record.summary) for name, provided in _load_host().methods.items())
    )


def tasks(incomplete: str) -> Completions:
    """Complete the last name in a comma-separated list of tasks and suites."""
    host = _load_host()
    suites = ((name, provided.record.summary) for name, provided in host.suites.items())
    return _complete_last(
        incomplete, [*((name, provided.record.summary) for name, provided in host.tasks.items()), *suites]
    )


def also(incomplete: str) -> Completions:
    """Complete the last entry in a list of further sets: a set for evaluation, a suite, or a method after TASK@."""
    before, at, last = incomplete.rpartition("@")
    host = _load_host()
    if at and "," not in last:
        methods = (provided.record for provided in host.methods.values())
        of_text = ((method.name, method.summary) for method in methods if method.level == "text")
        return [(f"{before}@{name}", about) for name, about in _with_prefix(last, of_text)]
    sets = [provided.record for provided in host.tasks.values() if provided.record.train is None]
    names = {task.name for task in sets}
    suites = [provided.record for provided in host.suites.values() if names.issuperset(provided.record.tasks)]
    offers = [
        *((task.name, task.summary) for task in sets),
        *((suite.name, suite.summary) for suite in suites),
    ]
    return _complete_last(incomplete, offers)


def method(incomplete: str) -> Completions:
    """Complete the name of one method."""
    return _with_prefix(
        incomplete, ((name, provided.record.summary) for name, provided in _load_host().methods.items())
    )


def task(incomplete: str) -> Completions:
    """Complete the name of one task."""
    return _with_prefix(
        incomplete, ((name, provided.record.summary) for name, provided in _load_host().tasks.items())
    )


def runs(context: typer.Context, incomplete: str) -> Completions:
    """Complete the id of a run in the typed results folders, or else in the default one."""
    from matekd_bench.results.store import RESULTS
    from matekd_bench.results.store.results_store import ResultsStore

    given = context.params.get("results") or RESULTS  # a command reads one folder or several
    folders = [given] if isinstance(given, (str, Path)) else given
    ids = {run_id for folder in folders for run_id in ResultsStore(Path(folder)).run_ids()}
    return _with_prefix(incomplete, ((run_id, "") for run_id in ids))


def presets(incomplete: str) -> Completions:
    """Complete the name of a preset."""
    from matekd_bench.study.spec.presets import usable_presets

    offers = ((name, table.get("summary", "")) for name, table in usable_presets(_load_host()).items())
    return _with_prefix(incomplete, offers)


def trackers(incomplete: str) -> Completions:
    """Complete the last name in a comma-separated list of trackers."""
    return _complete_last(
        incomplete, ((name, provided.record.summary) for name, provided in _load_host().trackers.items())
    )


def executors(incomplete: str) -> Completions:
    """Complete the name of an executor."""
    from typing import get_args

    from matekd_bench.study.spec.study_spec import Execution

    names = get_args(Execution.model_fields["executor"].annotation)
    return _with_prefix(incomplete, ((name, "") for name in names))


def budgets(incomplete: str) -> Completions:
    """Complete the kind of a budget, up to the equals sign."""
    from matekd_bench.study.spec.layers import BUDGET_KINDS

    return _with_prefix(incomplete, ((f"{kind}=", "") for kind in BUDGET_KINDS))


def _load_host() -> Host:
    from matekd_bench.plugins.host import Host

    return Host.load()


def _with_prefix(incomplete: str, offers: Iterable[tuple[str, str]]) -> Completions:
    """Return the offers whose names start with `incomplete`, sorted."""
    return sorted((name, about) for name, about in offers if name.startswith(incomplete))


def _complete_last(incomplete: str, offers: Iterable[tuple[str, str]]) -> Completions:
    """Complete the text after the last comma, leaving out names that are already in the list."""
    before, comma, last = incomplete.rpartition(",")
    listed = before.split(",")
    free = ((name, about) for name, about in offers if name not in listed)
    return [(f"{before}{comma}{name}", about) for name, about in _with_prefix(last, free)]
