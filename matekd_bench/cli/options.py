"""Options that several commands share, and the examples at the end of a command's help."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from matekd_bench.cli import completion

Option = typer.Option
Settings = partial(Option, rich_help_panel="Settings")
Data = partial(Option, rich_help_panel="Data")
Models = partial(Option, rich_help_panel="Models")
Machine = partial(Option, rich_help_panel="Machine")
RunArgument = partial(
    typer.Argument,
    help="A run id, the start of one, or a run's folder.",
    autocompletion=completion.runs,
)

PluginFiles: TypeAlias = Annotated[
    list[Path] | None,
    Option("--plugin", metavar="FILE", help="Also load the plugin in this file; this runs its code."),
]
NoPlugins: TypeAlias = Annotated[bool, Option("--no-plugins", help="Exclude the plugins of other packages.")]
Json: TypeAlias = Annotated[bool, Option("--json", help="Print JSON.")]
Results: TypeAlias = Annotated[
    Path, Option("--results", metavar="DIR", help="The results folder; its subfolder runs/ holds the runs.")
]

Run: TypeAlias = Annotated[str, RunArgument(metavar="RUN")]
Reference: TypeAlias = Annotated[
    str | None,
    Option(
        "--reference",
        metavar="NAME",
        help="The method to compare the others with, or none; default: kd.",
        autocompletion=completion.method,
    ),
]

Methods: TypeAlias = Annotated[
    str | None,
    Option(
        "--methods",
        metavar="LIST",
        help=r"Methods, e.g. 'matekd,eda\[alpha=0.1|0.2]'.",
        autocompletion=completion.methods,
    ),
]
Tasks: TypeAlias = Annotated[
    str | None,
    Option(
        "--tasks",
        metavar="LIST",
        help="Tasks and suites, e.g. 'rte,mrpc' or 'glue'.",
        autocompletion=completion.tasks,
    ),
]
Preset: TypeAlias = Annotated[
    str | None,
    Settings("--preset", metavar="NAME", help="Settings to start from.", autocompletion=completion.presets),
]
Config: TypeAlias = Annotated[
    Path | None,
    Settings(
        "--config",
        metavar="FILE",
        help="A TOML file that overrides the preset and may name methods and tasks.",
    ),
]
Also: TypeAlias = Annotated[
    str | None,
    Data(
        "--also",
        metavar="LIST",
        help="Also score on these sets at the end, e.g. 'hans,advglue,rte@aeda'.",
        autocompletion=completion.also,
    ),
]
AlsoDir: TypeAlias = Annotated[
    Path | None, Data("--also-dir", metavar="DIR", help="A folder with HANS, PAWS-QQP, AdvGLUE for --also.")
]
GlueDir: TypeAlias = Annotated[
    Path | None,
    Data("--glue-dir", metavar="DIR", envvar="GLUE_DIR", help="Read tasks from a GLUE folder."),
]
LimitTrain: TypeAlias = Annotated[
    int | None, Data("--limit-train", metavar="N", min=1, help="Use at most N training rows.")
]
Teacher: TypeAlias = Annotated[
    str | None,
    Models("--teacher", metavar="MODEL", help="The teacher: Hub id, optionally with @REVISION, or folder."),
]
TeacherAnswers: TypeAlias = Annotated[
    Path | None,
    Models(
        "--teacher-answers",
        metavar="FILE",
        help="A file with answers to the rows, instead of a teacher model.",
    ),
]
Student: TypeAlias = Annotated[
    str | None,
    Models("--student", metavar="MODEL", help="The student: Hub id, folder, or e.g. layers:0,1,3,5."),
]
Generator: TypeAlias = Annotated[
    str | None, Models("--generator", metavar="MODEL", help="Masked language model for methods that use one.")
]

Deterministic: TypeAlias = Annotated[
    bool, Machine("--deterministic", help="Use only kernels that always give the same bits.")
]

Offline: TypeAlias = Annotated[
    bool, Machine("--offline", help="Use only files on this machine; refuse connections to others.")
]


def glue_folders(context: typer.Context, folder: Path | None) -> tuple[Path | None, Path | None]:
    """Return the GLUE folder as (folder from the option, folder from the environment), one or both None.

    A folder from the option decides which data a study reads. One from the environment only says where GLUE is.
    """
    source = context.get_parameter_source("glue_dir")
    return (None, folder) if source is not None and source.name == "ENVIRONMENT" else (folder, None)


def study_options(context: typer.Context) -> tuple[dict[str, Any], Path | None]:
    """Return the study's settings among the typed options, and the GLUE folder of this machine.

    A setting has the name of its option. Settings that are not typed come from the config file, the preset and the
    defaults.
    """
    from matekd_bench.study.spec.request import setting_names

    names = setting_names()
    typed = {
        name: value
        for name, value in context.params.items()
        if name in names and value is not None and _was_typed(context, name)
    }
    folder, glue_home = glue_folders(context, context.params.get("glue_dir"))
    typed.pop("glue_dir", None)
    return typed | ({} if folder is None else {"glue_dir": folder}), glue_home


def _was_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def typed_command(context: typer.Context) -> str:
    """Return the command as it was typed, quoted for the shell."""
    return shlex.join(["matekd-bench", *(context.find_root().obj or ())])


def debugs(context: typer.Context) -> bool:
    """Return True if the command was typed with ``--debug``."""
    return bool(context.find_root().params["debug"])


def go_offline(context: typer.Context, wanted: bool) -> None:
    """Refuse connections to other machines until the command ends, if `wanted`."""
    if wanted:
        from matekd_bench.files.hub.network import offline

        context.with_resource(offline(_prepare_command(context)))


def _prepare_command(context: typer.Context) -> str:
    """Return the `prepare` command that fetches the files of this command's study."""
    from matekd_bench.api.study import prepare_command

    from_glue_dir = glue_folders(context, context.params.get("glue_dir"))[0] is not None
    return prepare_command(context.params, context.params.get("plugin") or (), from_glue_dir=from_glue_dir)


def examples(*commands: str) -> str:
    """Return the epilog of a command's help: one example per line, with brackets escaped from rich's markup."""
    lines = [f"  matekd-bench {command}".replace("[", r"\[") for command in commands]
    return "\n".join(["[bold]Examples[/bold]", *lines])
