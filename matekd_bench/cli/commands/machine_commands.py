"""``matekd-bench doctor``, ``prepare`` and ``cache``: what this machine has, and what it lacks for a study."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from matekd_bench.cli.options import (
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
    examples,
    glue_folders,
    go_offline,
)
from matekd_bench.cli.ui.console import load_host, print_finding, print_json, print_table
from matekd_bench.errors import UsageError

if TYPE_CHECKING:
    from matekd_bench.distill.artifacts.eviction import CachedFolder
    from matekd_bench.tools.doctor.finding import Finding
    from matekd_bench.tools.prepare import Preparation


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
    """Show what this machine has: versions, devices, caches, models, data; and what to do about what it lacks.

    What is missing can be done without or fetched. The exit code is 1 only where something is broken.
    """
    from matekd_bench.plugins.host import Host
    from matekd_bench.tools.doctor.examine import examine

    checks: list[Finding] = []
    for check in examine(Host.load(plugin or (), only_builtin=no_plugins), glue_dir, network=network):
        if not json:
            if not checks or check.topic != checks[-1].topic:
                typer.echo(check.topic)
            print_finding(check.state, f"{check.name}: {check.text}", check.todo)
        checks.append(check)
    broken = sum(check.state == "problem" for check in checks)
    if json:
        print_json([asdict(check) for check in checks])
    else:
        typer.echo(f"\n{_summary(broken, sum(check.state == 'missing' for check in checks))}")
    return 1 if broken else 0


def _summary(broken: int, missing: int) -> str:
    if broken:
        return f"{broken} broken, {missing} missing; the arrows say what to do."
    if missing:
        return f"Nothing is broken; {missing} missing, which a study may not need."
    return "Nothing is broken, nothing is missing."


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


app = typer.Typer(help="What is kept of teachers, logits and generators.", no_args_is_help=True)
AGE = re.compile(r"(\d+(?:\.\d+)?) *([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@app.command("info", epilog=examples("cache info", "cache info --json"))
def info(json: Json = False) -> None:
    """Say where the cache lies, what is in it, how large it may become, and what is in use."""
    from matekd_bench.distill.artifacts.artifact_cache import cache_root
    from matekd_bench.distill.artifacts.eviction import cache_limit, entries
    from matekd_bench.tools.doctor.caches import readable

    root, limit = cache_root(), cache_limit()
    found = entries(root)
    if json:
        print_json({"folder": str(root), "limit": limit, "entries": [_plain(one) for one in found]})
        return
    kinds: defaultdict[str, list[CachedFolder]] = defaultdict(list)
    for one in found:
        kinds[one.kind if one.finished else f"{one.kind}, unfinished"].append(one)
    rows = [
        (kind, str(len(of)), readable(sum(one.size for one in of)), _ago(min(one.used for one in of)))
        for kind, of in sorted(kinds.items())
    ]
    if rows:
        print_table(("kind", "entries", "size", "longest unused"), rows)
    typer.echo(f"{root}: {readable(sum(one.size for one in found))} of at most {readable(limit)}")


@app.command("clear", epilog=examples("cache clear", "cache clear --older-than 30d"))
def clear(
    older_than: Annotated[
        str | None,
        Option("--older-than", metavar="AGE", help="Only what was not used for so long, e.g. 30d, 12h."),
    ] = None,
    json: Json = False,
) -> None:
    """Take away what the cache keeps; what is in use stays. Records do not depend on it."""
    from matekd_bench.distill.artifacts.artifact_cache import cache_root
    from matekd_bench.distill.artifacts.eviction import clear as take_away
    from matekd_bench.tools.doctor.caches import readable

    age = 0.0 if older_than is None else _seconds(older_than)
    done = list(take_away(cache_root(), older_than=age))
    if json:
        print_json([{**_plain(one), "cleared": gone} for one, gone in done])
        return
    for one, gone in done:
        if not gone:
            typer.echo(f"in use, kept: {one.path}")
    cleared = [one for one, gone in done if gone]
    typer.echo(f"{len(cleared)} cleared, {readable(sum(one.size for one in cleared))}.")


def _seconds(text: str) -> float:
    found = AGE.fullmatch(text.strip())
    if not found:
        raise UsageError(f"--older-than '{text}' is no age: write e.g. 30d, 12h, 90m or 45s.")
    return float(found[1]) * SECONDS[found[2]]


def _ago(moment: float) -> str:
    from matekd_bench.cli.ui.progress import duration

    seconds = max(0.0, time.time() - moment)
    return f"{seconds / 86400:.0f} days" if seconds >= 2 * 86400 else duration(seconds)


def _plain(one: CachedFolder) -> dict[str, object]:
    return {
        "kind": one.kind,
        "folder": str(one.path),
        "bytes": one.size,
        "last_used": one.used,
        "finished": one.finished,
    }
