"""``matekd-bench export``: the leaderboard or the single runs as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matekd_bench.cli.options import NoPlugins, PluginFiles, Reference
from matekd_bench.cli.ui.console import load_host
from matekd_bench.cli.ui.leaderboards import Folders, recorded, reference_name

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
