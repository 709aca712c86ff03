"""``matekd-bench convert``: convert a checkpoint that has only pickled weights to safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matekd_bench.cli.options import Option


def convert(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Hub id, optionally with @REVISION, or folder.")
    ],
    into: Annotated[
        Path | None, Option("--into", metavar="DIR", help="The new folder. Default: the model's name.")
    ] = None,
) -> None:
    """Convert a checkpoint that has only pytorch_model.bin to a folder with safetensors weights.

    The weights are read in a separate process that executes nothing in them.
    """
    from matekd_bench.tools.convert import convert as convert_model

    checkpoint = convert_model(model, into)
    typer.echo(f"wrote {checkpoint.path}: use this folder instead of {model}")
