"""Commands that write the rows of tasks: ``methods texts``, for perturbation, and ``tasks rows``, for a teacher."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
from matekd_bench.spelling import counted

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host
    from matekd_bench.study.spec.request import StudyRequest

TasksToWrite = Annotated[
    str,
    typer.Argument(
        metavar="TASKS", help="A list as for --tasks, e.g. 'rte,mrpc'.", autocompletion=completion.tasks
    ),
]
NewFile = Annotated[Path, Option("--out", "-o", metavar="FILE", help="The .jsonl file to write.")]


def texts(
    context: typer.Context,
    tasks: TasksToWrite,
    out: NewFile,
    by_id: Annotated[
        bool,
        Option(
            "--by-id",
            help="Write a line for each row and segment, with the row's id, instead of a line for each distinct text.",
        ),
    ] = False,
    segments: Annotated[
        Literal["both", "first", "second"],
        Option("--segments", metavar="both|first|second", help="Which texts of a pair to write."),
    ] = "both",
    preset: Preset = None,
    config: Config = None,
    glue_dir: GlueDir = None,
    limit_train: LimitTrain = None,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Write the training texts of tasks, for perturbation by other means and use by the method 'from-file'.

    The rows are those on which 'run' trains with the same options. Add a field "perturbed" to each line.
    """
    from matekd_bench.screen.plain_screens import LineScreen
    from matekd_bench.tools.texts import write_texts

    host = load_host(plugin, no_plugins)
    spec = _request(context, host, {"tasks": tasks, "methods": "kd"}).spec
    screen = LineScreen(sys.stderr, details=debugs(context))
    written = write_texts(spec, host, screen, out, segments=segments, by_id=by_id)
    typer.echo(f"wrote {counted(written, 'text')} to {out}")
    chosen = "" if segments == "both" else f",segments={segments}"
    command = _study_command(context, {"methods": f"from-file[path=FILE{chosen}]"})
    typer.echo(f"next: add 'perturbed' to each line, then {command}")


def rows(
    context: typer.Context,
    tasks: TasksToWrite,
    out: NewFile,
    methods: Methods = None,
    preset: Preset = None,
    config: Config = None,
    glue_dir: GlueDir = None,
    limit_train: LimitTrain = None,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Write the training and dev rows of tasks, for a teacher to answer, for 'run --teacher-answers'.

    The rows are those that 'run' reads with the same options. The perturbed rows of a method 'from-file' follow.
    """
    from matekd_bench.screen.plain_screens import LineScreen
    from matekd_bench.tools.texts import write_rows

    host = load_host(plugin, no_plugins)
    request = _request(context, host, {"tasks": tasks})
    screen = LineScreen(sys.stderr, details=debugs(context))
    typer.echo(f"wrote {counted(write_rows(request.spec, host, screen, out), 'row')} to {out}")
    example = {} if "methods" in request.given else {"methods": "vat"}
    command = _study_command(context, {**example, "teacher_answers": "FILE"})
    typer.echo(f"next: answer the rows, then {command}")


def _request(context: typer.Context, host: Host, given: Mapping[str, Any]) -> StudyRequest:
    """Return the study that 'run' would make from the command's options and from those `given`."""
    from matekd_bench.methods.grammar import NO_REFERENCE
    from matekd_bench.study.spec.request import make_request

    options, glue_home = study_options(context)
    defaults = {"methods": "kd", "reference": NO_REFERENCE}
    return make_request({**options, **given}, host, defaults=defaults, glue_home=glue_home)


def _study_command(context: typer.Context, given: Mapping[str, str]) -> str:
    """Return the `run` command that reads the rows written now, with the settings `given`."""
    from matekd_bench.api.study import command_with

    options, _ = study_options(context)
    names = ("tasks", "methods", "teacher_answers", "preset", "config", "glue_dir", "limit_train")
    settings = {**options, "tasks": context.params["tasks"], **given}
    return command_with("run", names, settings, context.params["plugin"] or ())
