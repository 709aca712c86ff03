"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

PluginFiles: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option("--plugin", metavar="FILE", help="Also load the plugin in this file. Its code is run."),
]
NoPlugins: TypeAlias = Annotated[bool, typer.Option("--no-plugins", help="Load no other package's plugins.")]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Results: TypeAlias = Annotated[
    Path, typer.Option("--results", metavar="DIR", help="The results folder; runs are under runs/ in it.")
]
Name: TypeAlias = Annotated[str, typer.Argument(metavar="NAME")]

Control: TypeAlias = Annotated[
    str | None,
    typer.Option("--control", metavar="NAME", help="The method that others are compared with; default: kd."),
]
NoControl: TypeAlias = Annotated[bool, typer.Option("--no-control", help="Compare with no control.")]

RESULTS = Path("results")
