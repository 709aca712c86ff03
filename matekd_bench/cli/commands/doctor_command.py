"""``matekd-bench doctor``: what is on this machine, what is missing or broken, and what to type about it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from matekd_bench.cli.options import GlueDir, Json, NoPlugins, PluginFiles
from matekd_bench.cli.ui.console import print_finding, print_json

if TYPE_CHECKING:
    from matekd_bench.tools.doctor.finding import Finding

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
