"""``matekd-bench leaderboard``, ``export``, ``compare`` and ``merge``: show and write recorded results."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matekd_bench.cli.options import (
    GlueDir,
    Json,
    NoPlugins,
    PluginFiles,
    Reference,
    RunArgument,
    glue_folders,
)
from matekd_bench.cli.ui.console import load_host, print_json, warn
from matekd_bench.cli.ui.leaderboards import (
    ResultsFolders,
    find_runs,
    load_results,
    show_leaderboard,
)
from matekd_bench.errors import UsageError
from matekd_bench.spelling import counted

if TYPE_CHECKING:
    from matekd_bench.api.results import Results
    from matekd_bench.results.records.run_record import Record
    from matekd_bench.results.stats.paired_tests import CheckpointComparison
    from matekd_bench.results.store.verification import Verification


ViewOption = partial(typer.Option, rich_help_panel="View")
By = Annotated[
    str | None,
    ViewOption(
        "--by",
        metavar="task|cost|diagnostics",
        help="Show another view; task: a table for each task, with all intervals and the last, best and cross-fitted "
        "scores.",
    ),
]
Cost = Annotated[
    bool, ViewOption("--cost", help="Show each method's cost, and its difference at equal cost.")
]
Diagnostics = Annotated[
    bool, ViewOption("--diagnostics", help="Show the diagnostics that runs and methods report.")
]
Failures = Annotated[
    bool,
    ViewOption(
        "--failures", help="Show runs that failed, collapsed or diverged, the reasons, and how to retry."
    ),
]
Notes = Annotated[
    bool, ViewOption("--notes", help="Print the notes on data, power, rows used and comparable costs.")
]
Sort = Annotated[
    str | None, ViewOption("--sort", metavar="KEY", help="Sort by delta, score, cost, name, or a task.")
]
Rows = Annotated[
    str | None, ViewOption("--methods", metavar="LIST", help="Show only these methods or variants.")
]
Columns = Annotated[
    str | None, ViewOption("--tasks", metavar="LIST", help="Show only these tasks or suites.")
]
Match = Annotated[
    list[str] | None,
    ViewOption(
        "--match", metavar="PROTOCOL", help="Show only this protocol (the start of its id is enough)."
    ),
]


Verify = Annotated[
    bool, typer.Option("--verify", help="First recompute all scores from predictions and labels.")
]


def leaderboard(
    results: ResultsFolders = None,
    reference: Reference = None,
    by: By = None,
    cost: Cost = False,
    diagnostics: Diagnostics = False,
    failures: Failures = False,
    sort: Sort = None,
    methods: Rows = None,
    tasks: Columns = None,
    match: Match = None,
    notes: Notes = False,
    verify: Verify = False,
    json: Json = False,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> int:
    """Print the leaderboard, computed from the records in the results folders.

    Views show fewer rows or other columns; intervals, corrections and verdicts remain those of the whole study. With
    --verify, runs whose records do not agree with their predictions are listed and left out, and the exit code is 1.
    """
    shown = _view(by, cost=cost, diagnostics=diagnostics, failures=failures)
    if failures:
        chosen = {
            "--sort": sort, "--methods": methods, "--tasks": tasks, "--match": match, "--reference": reference,
            "--notes": notes, "--json": json,
        }  # fmt: skip
        _refuse_options_of_table(chosen, "--failures lists every run with a problem")
    if json and notes:
        raise UsageError("--notes are printed below the tables, but --json prints rows: remove one of them.")
    host = load_host(plugin, no_plugins)
    loaded, verification = load_results(host, results), None
    if verify:
        loaded, verification = loaded.verified()
        _print_verification(verification)
    code = 1 if verification and verification.disagreeing else 0
    if failures:
        _print_failures(loaded)
        return code
    board = loaded.leaderboard(
        methods=methods, tasks=tasks, reference=reference, sort=sort, match=match or (), by=shown
    )
    show_leaderboard(board, json=json, notes=notes, verification=verification)
    return code


def _refuse_options_of_table(options: Mapping[str, object], instead: str) -> None:
    """Raise UsageError if one of the `options` of the leaderboard is given; `instead` says what the command does."""
    for name, value in options.items():
        if value:
            raise UsageError(f"{name} applies to the leaderboard, but {instead}: remove one of them.")


def _print_verification(verification: Verification) -> None:
    """Print on stderr the runs that do not agree with their predictions, and how many were verified."""
    for run_id, problem in verification.disagreeing.items():
        warn(f"run '{run_id}' was left out: {problem}")
    reasons = Counter(verification.unverifiable.values())
    missing = "".join(f"; {count} cannot be verified: {reason}" for reason, count in sorted(reasons.items()))
    print(f"verified {counted(verification.verified, 'run')}{missing.rstrip('.')}", file=sys.stderr)


def _view(by: str | None, *, cost: bool, diagnostics: bool, failures: bool = False) -> str | None:
    """Return the view for the options, None for the usual one; raise UsageError if they name several."""
    views = {"--by": by is not None, "--cost": cost, "--diagnostics": diagnostics, "--failures": failures}
    chosen = [name for name, value in views.items() if value]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} are different views: use only one of them.")
    return by or ("cost" if cost else "diagnostics" if diagnostics else None)


def _print_failures(results: Results) -> None:
    from matekd_bench.results.report.sentences import failures

    for line in failures(results.records):
        typer.echo(line)


Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="The extension sets the format.")]
Table = Annotated[
    str,
    typer.Option(
        "--table", metavar="leaderboard|runs", help="leaderboard: a row per method; runs: a row per score."
    ),
]
PlotName = Annotated[
    str | None,
    typer.Option(
        "--plot",
        metavar="cost|forest|heatmap|curves",
        help="The kind of picture. Default: the file's name, e.g. forest.svg.",
    ),
]
PaperOption = partial(typer.Option, rich_help_panel="Paper")
PageColumns = Annotated[
    int, PaperOption("--columns", metavar="1|2", help="Number of columns of the page for a .tex file.")
]
NoCost = Annotated[bool, PaperOption("--no-cost", help="Leave the cost out of a .tex file.")]
Width = Annotated[
    float | None,
    PaperOption(
        "--width", metavar="INCHES", help="The width of pictures, e.g. 3 for a column of an ACL paper."
    ),
]
Texts = Annotated[
    bool,
    typer.Option(
        "--texts",
        help="Add the dev texts on which methods disagree most with the reference (web pages only).",
    ),
]
NoTitle = Annotated[bool, PaperOption("--no-title", help="Leave out the title above pictures.")]


def export(
    context: typer.Context,
    files: Files,
    table: Table = "leaderboard",
    plot: PlotName = None,
    results: ResultsFolders = None,
    reference: Reference = None,
    by: By = None,
    cost: Cost = False,
    diagnostics: Diagnostics = False,
    sort: Sort = None,
    methods: Rows = None,
    tasks: Columns = None,
    match: Match = None,
    columns: PageColumns = 2,
    no_cost: NoCost = False,
    width: Width = None,
    no_title: NoTitle = False,
    texts: Texts = False,
    glue_dir: GlueDir = None,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Write the leaderboard or the runs to .csv, .json or .md files, or the leaderboard to .tex, .html or picture
    files.

    Pictures are .png, .svg or .pdf. Plugins may add extensions. Views have fewer rows or other columns, as in
    `leaderboard`; intervals, corrections and verdicts remain those of the whole study.
    """
    from matekd_bench.api.results import view_of
    from matekd_bench.results.report import export as exporter
    from matekd_bench.results.report.documents import FileOptions

    if table == "runs":
        chosen = {
            "--by": by, "--cost": cost, "--diagnostics": diagnostics, "--sort": sort, "--methods": methods,
            "--tasks": tasks, "--match": match, "--reference": reference,
        }  # fmt: skip
        _refuse_options_of_table(chosen, "--table runs writes every run")
    shown = _view(by, cost=cost, diagnostics=diagnostics)
    options = FileOptions(columns, not no_cost, width, not no_title, texts, plot)
    options.check(files)
    if glue_folders(context, glue_dir)[0] is not None and not texts:
        raise UsageError("--glue-dir: only a page with texts reads it:", hint="add --texts.")
    host = load_host(plugin, no_plugins)
    for path in files:
        exporter.check_path(path, table, plot, host.exporters, view_of(shown))
    loaded = load_results(host, results)
    board = None
    if table == "leaderboard":
        board = loaded.leaderboard(
            methods=methods, tasks=tasks, reference=reference, sort=sort, match=match or (), by=shown
        )
    for path in files:
        if board is None:
            loaded.export(path)
            typer.echo(f"wrote {path}")
            continue
        used = options.used_by(path)
        for file in board.export(path, glue_dir=glue_dir if used.texts else None, **asdict(used)):
            typer.echo(f"wrote {file}")


RunA = Annotated[str, RunArgument(metavar="RUN_A")]
RunB = Annotated[str, RunArgument(metavar="RUN_B")]


def compare(
    run_a: RunA,
    run_b: RunB,
    results: ResultsFolders = None,
    json: Json = False,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Test whether two checkpoints differ: exact McNemar test for accuracy, permutation test for other metrics.

    The result applies to these two checkpoints only, not to their methods: another seed gives other checkpoints.
    """
    loaded, runs = find_runs(load_host(plugin, no_plugins), [run_a, run_b], results)
    result = loaded.compare(run_a, run_b)
    if json:
        print_json(_comparison_as_json(runs, result))
        return
    for line in _comparison_lines(runs, result):
        typer.echo(line)


def _comparison_lines(runs: Sequence[Record], result: CheckpointComparison) -> Iterator[str]:
    """Yield both runs with their scores, the difference and the test."""
    from matekd_bench.results.report.cells import text

    for letter, run, score in zip("AB", runs, (result.own, result.other), strict=True):
        description = f"{run.identity.variant} on {run.identity.task}, seed {run.identity.seed}"
        yield f"{letter}  {text(score, 'fraction'):>5}  {description} ({run.run_id})"
    yield f"A - B  {text(result.delta, 'difference')} points on {result.n} examples"
    if result.only_own is not None:
        yield f"right in A only: {result.only_own}, in B only: {result.only_other}"
    yield f"{result.test} test: p = {result.p:.4g}, for {result.scope}, not for the methods."


def _comparison_as_json(runs: Sequence[Record], result: CheckpointComparison) -> dict[str, object]:
    return {
        "run_a": runs[0].run_id,
        "run_b": runs[1].run_id,
        "task": runs[0].identity.task,
        "score_a": result.own,
        "score_b": result.other,
        "delta": result.delta,
        "n": result.n,
        "only_a": result.only_own,
        "only_b": result.only_other,
        "test": result.test,
        "p": result.p,
        "scope": result.scope,
    }


MergedFolders = Annotated[list[Path], typer.Argument(metavar="DIR...", help="Two or more results folders.")]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="The new folder; it must not exist yet.")
]


def merge(folders: MergedFolders, output: Output) -> None:
    """Merge results folders into a new one, which appears complete or not at all.

    Equal runs and data sets are copied once. If folders contradict each other, nothing is written.
    """
    from matekd_bench.results.store import merging

    merged = merging.merge(folders, output)
    for reason in merged.left_out:
        warn(f"left out: {reason}")
    for note in merged.code_notes:
        warn(note)
    again = f" ({len(merged.repeated)} of them in several folders)" if merged.repeated else ""
    typer.echo(f"wrote {output}: runs: {len(merged.runs)}{again}; data sets: {len(merged.data)}")
