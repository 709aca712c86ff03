"""``matekd-bench leaderboard``: the comparison of all recorded runs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from matekd_bench.cli.options import Json, NoPlugins, PluginFiles, Reference
from matekd_bench.cli.ui.console import load_host
from matekd_bench.cli.ui.leaderboards import Folders, recorded, reference_name, show
from matekd_bench.errors import UsageError, unknown

if TYPE_CHECKING:
    from matekd_bench.cli.ui.leaderboards import Recorded
    from matekd_bench.results.report.sheets import View

Look = partial(typer.Option, rich_help_panel="View")
By = Annotated[
    str | None, Look("--by", metavar="task", help="A table for each task, with every interval and selection.")
]
Cost = Annotated[bool, Look("--cost", help="What each method cost, and its difference at equal cost.")]
Diagnostics = Annotated[bool, Look("--diagnostics", help="What runs and methods say of themselves.")]
Failures = Annotated[
    bool, Look("--failures", help="Runs that failed, collapsed or diverged: reasons, and how to try again.")
]
Sort = Annotated[str | None, Look("--sort", metavar="KEY", help="delta, score, cost, name, or a task.")]
Rows = Annotated[str | None, Look("--methods", metavar="LIST", help="Show these methods or variants only.")]
Columns = Annotated[str | None, Look("--tasks", metavar="LIST", help="Show these tasks or suites only.")]
Match = Annotated[
    list[str] | None,
    Look("--match", metavar="PROTOCOL", help="Show this protocol only (the start of its id is enough)."),
]


def leaderboard(
    results: Folders = None,
    reference: Reference = None,
    by: By = None,
    cost: Cost = False,
    diagnostics: Diagnostics = False,
    failures: Failures = False,
    sort: Sort = None,
    methods: Rows = None,
    tasks: Columns = None,
    match: Match = None,
    json: Json = False,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Print the leaderboard, computed afresh from the records in the results folders.

    A view shows fewer rows or other columns; intervals, corrections and verdicts stay those of the whole study.
    """
    from matekd_bench.results.leaderboard import row_filters

    view = _view(by, cost=cost, diagnostics=diagnostics, failures=failures)
    compared_with = reference_name(reference)
    found = recorded(load_host(plugin, no_plugins), results)
    if view is None:
        _print_failures(found)
        return
    made = row_filters.matching(found.leaderboard(compared_with), match or [])
    made = row_filters.only(row_filters.ordered(made, sort), methods, tasks, found.suites)
    show(made, found.suites, json=json, view=view)


def _view(by: str | None, *, cost: bool, diagnostics: bool, failures: bool) -> View | None:
    """The view that the options ask for; None for the failures, which are no table."""
    if by not in (None, "task"):
        raise unknown("view", by or "", ["task"])
    asked = {"--by": by is not None, "--cost": cost, "--diagnostics": diagnostics, "--failures": failures}
    given = [name for name, wanted in asked.items() if wanted]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} are different views: give one of them.")
    if failures:
        return None
    return "task" if by else "cost" if cost else "diagnostics" if diagnostics else "overall"


def _print_failures(found: Recorded) -> None:
    from matekd_bench.results.report.sheets import failures

    for line in failures(found.records):
        typer.echo(line)
