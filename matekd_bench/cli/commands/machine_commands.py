"""``matekd-bench doctor``, ``prepare`` and ``cache``: check this machine, fetch files, manage the cache."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from matekd_bench.cli.options import (
    Also,
    AlsoDir,
    Config,
    Generator,
    GlueDir,
    Json,
    Methods,
    NoPlugins,
    Offline,
    Option,
    PluginFiles,
    Preset,
    Student,
    Tasks,
    Teacher,
    TeacherAnswers,
    examples,
    go_offline,
    study_options,
)
from matekd_bench.cli.ui.console import load_host, print_finding, print_json, print_table
from matekd_bench.errors import UsageError

if TYPE_CHECKING:
    from matekd_bench.distill.artifacts.eviction import CachedFolder
    from matekd_bench.tools.doctor.finding import Finding
    from matekd_bench.tools.prepare import Requirement


Network = Annotated[
    bool, typer.Option("--network", help="Also ask whether the Hub answers within 3 seconds.")
]


def doctor(
    glue_dir: GlueDir = None,
    network: Network = False,
    json: Json = False,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> int:
    """Check this machine's versions, devices, caches, models and data, with advice for anything missing or broken.

    A study can do without anything that is `missing`, or fetch it. The exit code is 1 only if something is broken.
    """
    from matekd_bench.plugins.host import Host
    from matekd_bench.tools.doctor.examine import examine

    findings: list[Finding] = []
    for finding in examine(Host.load(plugin or (), only_builtin=no_plugins), glue_dir, network=network):
        if not json:
            if not findings or finding.topic != findings[-1].topic:
                typer.echo(finding.topic)
            print_finding(finding.state, f"{finding.name}: {finding.text}", finding.todo)
        findings.append(finding)
    broken = sum(finding.state == "problem" for finding in findings)
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        typer.echo(f"\n{_summary(broken, sum(finding.state == 'missing' for finding in findings))}")
    return 1 if broken else 0


def _summary(broken: int, missing: int) -> str:
    """Return the last line of `doctor`."""
    if broken:
        return f"{broken} broken, {missing} missing; the lines with arrows show what to do."
    if missing:
        return f"Nothing is broken; {missing} missing (not needed by every study)."
    return "Nothing is broken, nothing is missing."


def prepare(
    context: typer.Context,
    preset: Preset = None,
    tasks: Tasks = None,
    methods: Methods = None,
    config: Config = None,
    glue_dir: GlueDir = None,
    also: Also = None,
    also_dir: AlsoDir = None,
    teacher: Teacher = None,
    teacher_answers: TeacherAnswers = None,
    student: Student = None,
    generator: Generator = None,
    offline: Offline = False,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
    json: Json = False,
) -> None:
    """Fetch and check the models, data and thesaurus of a study, so that it can run offline later.

    With --offline nothing is fetched, and missing parts are listed. The default is the needs of all methods and the
    tasks of GLUE.
    """
    from matekd_bench.tools.prepare import prepare as prepare_study

    go_offline(context, offline)
    options, glue_home = study_options(context)
    parts = []
    for part in prepare_study(options, load_host(plugin, no_plugins), _print_stage, glue_home=glue_home):
        parts.append(part)
        if not json:
            print_finding(part.state, f"{part.kind} {part.name}: {part.text}", part.todo)
    if json:
        print_json([asdict(part) for part in parts])
    _print_conclusion(parts, json)


def _print_stage(text: str) -> None:
    typer.echo(f"{text} ...", err=True)


def _print_conclusion(parts: list[Requirement], json: bool) -> None:
    """Print that everything is ready; raise UsageError if a part that the study needs is missing."""
    missing = [f"{part.kind} {part.name}" for part in parts if part.state == "missing" and part.needed]
    if missing:
        from matekd_bench.files.hub.network import fetch_hint

        raise UsageError(
            f"{len(missing)} of {len(parts)} parts are missing ({', '.join(missing)}):",
            hint=fetch_hint("the lines above give the reasons; run the same command to try again."),
        )
    if not json:
        typer.echo("Everything needed is on this machine: the study can run without a network.")


app = typer.Typer(help="Show or clear the cache of teachers, logits and generators.", no_args_is_help=True)


@app.command("info", epilog=examples("cache info", "cache info --json"))
def info(json: Json = False) -> None:
    """Show the folder of the cache, its contents, its size and its size limit."""
    from matekd_bench.api.machine import cache_row
    from matekd_bench.distill.artifacts.artifact_cache import cache_root
    from matekd_bench.distill.artifacts.eviction import cache_limit, entries
    from matekd_bench.tools.doctor.caches import readable

    root, limit = cache_root(), cache_limit()
    folders = entries(root)
    if json:
        print_json(
            {"folder": str(root), "limit": limit, "entries": [cache_row(folder) for folder in folders]}
        )
        return
    kinds: defaultdict[str, list[CachedFolder]] = defaultdict(list)
    for folder in folders:
        kinds[folder.kind if folder.finished else f"{folder.kind}, unfinished"].append(folder)
    rows = [
        (
            kind,
            str(len(of_kind)),
            readable(sum(folder.size for folder in of_kind)),
            _age(min(folder.used for folder in of_kind)),
        )
        for kind, of_kind in sorted(kinds.items())
    ]
    if rows:
        print_table(("kind", "entries", "size", "longest unused"), rows)
    typer.echo(f"{root}: {readable(sum(folder.size for folder in folders))} of at most {readable(limit)}")


@app.command("clear", epilog=examples("cache clear", "cache clear --older-than 30d"))
def clear(
    older_than: Annotated[
        str | None,
        Option("--older-than", metavar="AGE", help="Only entries unused for this long, e.g. 30d, 12h."),
    ] = None,
    json: Json = False,
) -> None:
    """Delete the contents of the cache except what is in use. Records do not depend on it."""
    from matekd_bench.api.machine import age_in_seconds, cleared_rows
    from matekd_bench.distill.artifacts.artifact_cache import cache_root
    from matekd_bench.distill.artifacts.eviction import clear as clear_cache
    from matekd_bench.tools.doctor.caches import readable

    folders = list(clear_cache(cache_root(), older_than=age_in_seconds(older_than, "--older-than")))
    if json:
        print_json(cleared_rows(folders))
        return
    for folder, cleared in folders:
        if not cleared:
            typer.echo(f"kept, because it is in use: {folder.path}")
    sizes = [folder.size for folder, cleared in folders if cleared]
    typer.echo(f"{len(sizes)} cleared, {readable(sum(sizes))} freed.")


def _age(moment: float) -> str:
    """Format the time since `moment` (seconds since the epoch); from two days on, in days."""
    from matekd_bench.screen.wording import duration

    seconds = max(0.0, time.time() - moment)
    return f"{seconds / 86400:.0f} days" if seconds >= 2 * 86400 else duration(seconds)
