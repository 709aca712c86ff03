"""``matekd-bench tasks rows``: write the rows of tasks, to be answered for `--teacher-answers`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from matekd_bench.cli import completion
from matekd_bench.cli.options import (
    Config,
    GlueDir,
    LimitTrain,
    Methods,
    NoPlugins,
    Option,
    PluginFiles,
    Preset,
    debugs,
    study_options,
)
from matekd_bench.cli.ui.console import load_host


def rows(
    context: typer.Context,
    tasks: Annotated[
        str,
        typer.Argument(
            metavar="TASKS", help="As in --tasks, e.g. 'rte,mrpc'.", autocompletion=completion.tasks
        ),
    ],
    out: Annotated[Path, Option("--out", "-o", metavar="FILE", help="The .jsonl file to write.")],
    methods: Methods = None,
    preset: Preset = None,
    config: Config = None,
    glue_dir: GlueDir = None,
    limit_train: LimitTrain = None,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Write the training and dev rows of tasks, to be answered by any teacher for 'run --teacher-answers'.

    The rows are those that 'run' reads with the same options. Perturbed rows of 'from-file' follow if --methods has it.
    """
    from matekd_bench.screen.plain_screens import LineScreen
    from matekd_bench.study.spec.request import make_request
    from matekd_bench.tools.texts import write_rows

    options, glue_home = study_options(context)
    options = {"methods": "kd", **options, "tasks": tasks, "reference": "none"}
    host = load_host(plugin, no_plugins)
    spec = make_request(options, host, glue_home=glue_home).spec
    screen = LineScreen(sys.stderr, details=debugs(context))
    typer.echo(f"wrote {write_rows(spec, host, screen, out)} rows to {out}")
