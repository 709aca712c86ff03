"""``matekd-bench methods texts``: write the training texts of tasks, to be perturbed for the method `from-file`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from matekd_bench.cli import completion
from matekd_bench.cli.options import (
    Config,
    GlueDir,
    LimitTrain,
    NoPlugins,
    Option,
    PluginFiles,
    Preset,
    debugs,
    study_options,
)
from matekd_bench.cli.ui.console import load_host


def texts(
    context: typer.Context,
    tasks: Annotated[
        str,
        typer.Argument(
            metavar="TASKS", help="As in --tasks, e.g. 'rte,mrpc'.", autocompletion=completion.tasks
        ),
    ],
    out: Annotated[Path, Option("--out", "-o", metavar="FILE", help="The .jsonl file to write.")],
    by_id: Annotated[
        bool,
        Option(
            "--by-id", help="A line for each row and segment, with the row's id, not for each distinct text."
        ),
    ] = False,
    segments: Annotated[
        Literal["both", "first", "second"],
        Option("--segments", metavar="WHICH", help="Texts of a pair: both, first or second."),
    ] = "both",
    preset: Preset = None,
    config: Config = None,
    glue_dir: GlueDir = None,
    limit_train: LimitTrain = None,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Write the training texts of tasks, to be perturbed by any means and read by the method 'from-file'.

    The rows are those on which 'run' trains with the same options. Add a field "perturbed" to each line.
    """
    from matekd_bench.screen.plain_screens import LineScreen
    from matekd_bench.study.spec.request import make_request
    from matekd_bench.tools.texts import write_texts

    options, glue_home = study_options(context)
    options |= {"tasks": tasks, "methods": "kd", "reference": "none"}
    host = load_host(plugin, no_plugins)
    spec = make_request(options, host, glue_home=glue_home).spec
    screen = LineScreen(sys.stderr, details=debugs(context))
    written = write_texts(spec, host, screen, out, segments=segments, by_id=by_id)
    typer.echo(f"wrote {written} texts to {out}")
