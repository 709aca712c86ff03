"""``matekd-bench export``: the leaderboard or the single runs as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matekd_bench.cli.options import RESULTS, Control, NoControl, NoPlugins, PluginFiles, Results
from matekd_bench.cli.output import load_host

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Written as its extension says.")]
Table = Annotated[
    str, typer.Option("--table", metavar="leaderboard|runs", help="A row per method, or a row per score.")
]


def export(
    files: Files,
    table: Table = "leaderboard",
    results: Results = RESULTS,
    control: Control = None,
    no_control: NoControl = False,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Write the leaderboard or the runs to files: .csv, .json or .md."""
    from matekd_bench.cli.board import chosen_control, read_records, tasks_and_suites
    from matekd_bench.results import export as exporter

    reference = chosen_control(control, no_control)
    for path in files:
        exporter.check_path(path)
    tasks, suites = tasks_and_suites(load_host(plugin, no_plugins))
    records = read_records(results)
    for path in files:
        exporter.export(path, table, records, tasks=tasks, suites=suites, control=reference)
        typer.echo(f"wrote {path}")
