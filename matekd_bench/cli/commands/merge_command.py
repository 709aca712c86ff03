"""``matekd-bench merge``: results folders of several machines as one new folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matekd_bench.cli.ui.console import warn

Folders = Annotated[list[Path], typer.Argument(metavar="DIR...", help="Results folders, two or more.")]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="The new folder; it must not exist yet.")
]


def merge(folders: Folders, output: Output) -> None:
    """Merge results folders into a new one, which appears whole or not at all.

    Runs and data sets that are alike are taken once. Where they contradict each other nothing is written.
    """
    from matekd_bench.results.store import merging

    merged = merging.merge(folders, output)
    for reason in merged.left_out:
        warn(f"left out: {reason}")
    again = f" ({merged.repeated} of them in several folders)" if merged.repeated else ""
    typer.echo(f"wrote {output}: runs: {merged.runs}{again}; data sets: {merged.data}")
