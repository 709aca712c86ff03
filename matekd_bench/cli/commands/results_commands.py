"""``matekd-bench leaderboard``, ``export``, ``compare`` and ``merge``: what is recorded, as tables and files."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matekd_bench.cli.options import RESULTS, Json, NoPlugins, PluginFiles, Reference
from matekd_bench.cli.ui.console import load_host, print_json, warn
from matekd_bench.cli.ui.leaderboards import Folders, folder_of, recorded, reference_name, show
from matekd_bench.errors import UsageError, unknown

if TYPE_CHECKING:
    from matekd_bench.cli.ui.leaderboards import Recorded
    from matekd_bench.results.report.sheets import View
    from matekd_bench.tools.compare import Comparison


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


Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Written as its extension says.")]
Table = Annotated[
    str, typer.Option("--table", metavar="leaderboard|runs", help="A row per method, or a row per score.")
]
PlotName = Annotated[
    str | None,
    typer.Option(
        "--plot",
        metavar="cost|forest|heatmap|curves",
        help="What pictures show; without it the file's name says it, e.g. forest.svg.",
    ),
]


def export(
    files: Files,
    table: Table = "leaderboard",
    plot: PlotName = None,
    results: Folders = None,
    reference: Reference = None,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Write the leaderboard or the runs to files: .csv, .json or .md; the leaderboard also as .tex, .html or a picture.

    Pictures are .png, .svg or .pdf. Plugins may know more extensions.
    """
    from matekd_bench.results.report import export as exporter

    compared_with = reference_name(reference)
    host = load_host(plugin, no_plugins)
    for path in files:
        exporter.check_path(path, table, plot, host.exporters)
    found = recorded(host, results)
    board = found.leaderboard(compared_with) if table == "leaderboard" else None
    for path in files:
        exporter.export(
            path,
            table,
            found.records,
            tasks=found.tasks,
            suites=found.suites,
            reference=compared_with,
            evidence=found.evidence,
            leaderboard=board,
            methods={name: provided.record for name, provided in host.methods.items()},
            plot=plot,
            exporters=host.exporters,
        )
        typer.echo(f"wrote {path}")


NAMED = "A run id, the start of one, or the run's folder."
RunA = Annotated[str, typer.Argument(metavar="RUN_A", help=NAMED)]
RunB = Annotated[str, typer.Argument(metavar="RUN_B", help=NAMED)]


def compare(
    run_a: RunA,
    run_b: RunB,
    results: Folders = None,
    json: Json = False,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Test whether two checkpoints differ: exact McNemar for accuracy, permutations for other metrics.

    The answer is about these two checkpoints only. It says nothing of the methods: another seed makes others.
    """
    from matekd_bench.tools.compare import compare_runs, find_run

    folders, names = [*(results or [])], []
    for given in (run_a, run_b):
        home = folder_of(given)
        folders += [home] if home else []
        names.append(Path(given).resolve().name if home else given)
    found = recorded(load_host(plugin, no_plugins), folders or [RESULTS])
    own, other = (find_run(found.records, name) for name in names)
    result = compare_runs(own, other, found.evidence, found.tasks)
    if json:
        print_json(_plain(result))
        return
    for line in _lines(result):
        typer.echo(line)


def _lines(result: Comparison) -> Iterator[str]:
    from matekd_bench.results.report.wording import points

    found = result.found
    for letter, run, score in (("A", result.own, found.own), ("B", result.other, found.other)):
        who = f"{run.identity.variant} on {run.identity.task}, seed {run.identity.seed}"
        yield f"{letter}  {points(score):>5}  {who} ({run.run_id})"
    yield f"A - B  {points(found.delta, signed=True)} points on {found.n} examples"
    if found.only_own is not None:
        yield f"right in A only: {found.only_own}, in B only: {found.only_other}"
    yield f"{found.test} test: p = {found.p:.4g}; {found.scope}, no word on the methods."


def _plain(result: Comparison) -> dict[str, object]:
    found = result.found
    return {
        "run_a": result.own.run_id,
        "run_b": result.other.run_id,
        "task": result.own.identity.task,
        "score_a": found.own,
        "score_b": found.other,
        "delta": found.delta,
        "n": found.n,
        "only_a": found.only_own,
        "only_b": found.only_other,
        "test": found.test,
        "p": found.p,
        "scope": found.scope,
    }


MergedFolders = Annotated[list[Path], typer.Argument(metavar="DIR...", help="Results folders, two or more.")]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="The new folder; it must not exist yet.")
]


def merge(folders: MergedFolders, output: Output) -> None:
    """Merge results folders into a new one, which appears whole or not at all.

    Runs and data sets that are alike are taken once. Where they contradict each other nothing is written.
    """
    from matekd_bench.results.store import merging

    merged = merging.merge(folders, output)
    for reason in merged.left_out:
        warn(f"left out: {reason}")
    again = f" ({merged.repeated} of them in several folders)" if merged.repeated else ""
    typer.echo(f"wrote {output}: runs: {merged.runs}{again}; data sets: {merged.data}")
