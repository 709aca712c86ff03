"""``matekd-bench convert``: safetensors weights of a checkpoint that has only pickled ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matekd_bench.cli.options import Option


def convert(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Hub id, perhaps with @REVISION, or a folder.")
    ],
    into: Annotated[
        Path | None, Option("--into", metavar="DIR", help="A new folder. Default: the model's name.")
    ] = None,
) -> None:
    """Make a folder with safetensors weights of a checkpoint that has only pytorch_model.bin.

    The weights are read by a process of its own that executes nothing in them.
    """
    from matekd_bench.tools.convert import convert as convert_model

    checkpoint = convert_model(model, into)
    typer.echo(f"wrote {checkpoint.path}: give this folder in place of {model}")
