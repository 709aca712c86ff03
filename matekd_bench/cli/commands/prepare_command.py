"""``matekd-bench prepare``: fetches and checks what a study reads, for running it later without a network."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from matekd_bench.cli.options import (
    Config,
    Generator,
    GlueDir,
    Json,
    Methods,
    NoPlugins,
    Offline,
    PluginFiles,
    Preset,
    Student,
    Tasks,
    Teacher,
    glue_folders,
    go_offline,
)
from matekd_bench.cli.ui.console import load_host, print_finding, print_json
from matekd_bench.errors import UsageError

if TYPE_CHECKING:
    from matekd_bench.tools.prepare import Preparation


def prepare(
    context: typer.Context,
    preset: Preset = None,
    tasks: Tasks = None,
    methods: Methods = None,
    config: Config = None,
    glue_dir: GlueDir = None,
    teacher: Teacher = None,
    student: Student = None,
    generator: Generator = None,
    offline: Offline = False,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
    json: Json = False,
) -> None:
    """Fetch and check all that a study reads, models, data and thesaurus, so that it later runs offline.

    With --offline nothing is fetched: what is missing is named. Without --methods it is what any method needs;
    without --tasks the tasks of GLUE.
    """
    from matekd_bench.study.spec.request import StudyRequest
    from matekd_bench.tools.prepare import prepare as prepare_study

    go_offline(context, offline)
    typed, home = glue_folders(context, glue_dir)
    request = StudyRequest(
        methods=methods,
        tasks=tasks,
        preset=preset,
        config=config,
        glue_dir=typed,
        glue_home=home,
        teacher=teacher,
        student=student,
        generator=generator,
        reference=None,
    )
    parts = []
    for part in prepare_study(request, load_host(plugin, no_plugins), _say):
        parts.append(part)
        if not json:
            print_finding(part.state, f"{part.kind} {part.name}: {part.text}", part.todo)
    if json:
        print_json([asdict(part) for part in parts])
    _end(parts, json)


def _say(text: str) -> None:
    typer.echo(f"{text} ...", err=True)


def _end(parts: list[Preparation], json: bool) -> None:
    """A sentence where all is there; UsageError where something that is needed can't be had."""
    lacking = [f"{part.kind} {part.name}" for part in parts if part.state == "missing" and part.needed]
    if lacking:
        from matekd_bench.files.network import advice

        raise UsageError(
            f"{len(lacking)} of {len(parts)} can't be had ({', '.join(lacking)}):",
            hint=advice("the lines above say why; run the same command to try again."),
        )
    if not json:
        typer.echo("All that is needed is on this machine: the study runs without a network.")
