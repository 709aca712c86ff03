"""``matekd-bench plugins``: list the plugins and what they provide, and write a new one."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from matekd_bench.cli.options import Json, NoPlugins, Option, PluginFiles, examples
from matekd_bench.cli.ui.console import print_json, print_table, warn

app = typer.Typer(help="List the plugins; 'plugins new NAME' writes one.")


@app.callback(invoke_without_command=True)
def plugins(
    context: typer.Context, json: Json = False, plugin: PluginFiles = None, no_plugins: NoPlugins = False
) -> None:
    """List the plugins: where they come from, what they provide, and why a broken one was left out."""
    from matekd_bench.plugins.host import NOT_INSTALLED, Host
    from matekd_bench.plugins.naming import conflict_error

    if context.invoked_subcommand is not None:
        return
    host = Host.load(plugin or (), only_builtin=no_plugins)
    if NOT_INSTALLED in host.warnings:
        warn(NOT_INSTALLED)
    for (kind, name), claims in host.conflicts.items():
        warn(str(conflict_error(kind, name, claims)))
    if json:
        print_json(
            [
                {
                    **asdict(info.by),
                    "provides": list(info.provides),
                    "status": info.status,
                    "reason": info.reason,
                }
                for info in host.plugins
            ]
        )
        return
    rows = [
        (
            info.name,
            info.by.distribution or str(info.by.path),
            info.by.version or "-",
            info.status,
            info.reason or ", ".join(info.provides),
        )
        for info in host.plugins
    ]
    print_table(("plugin", "distribution", "version", "status", "provides, or why not used"), rows)


@app.command(
    "new",
    epilog=examples(
        "plugins new my-method --level text",
        "plugins new my-method --level token --single-file",
        "plugins new my-method --level generator --folder ..",
    ),
)
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new method's name.")],
    level: Annotated[
        str, Option("--level", metavar="LEVEL", help="text, token, embedding or generator.")
    ] = "text",
    single_file: Annotated[
        bool, Option("--single-file", help="Write one file for --plugin, no package.")
    ] = False,
    folder: Annotated[Path, Option("--folder", metavar="DIR", help="The folder to write to.")] = Path(),
) -> None:
    """Write a small package with a working method, its tests, and a README; or a single file."""
    from matekd_bench.plugins.host import Host
    from matekd_bench.scaffold import files, write

    contents = files(name, level, single_file=single_file)
    if name in Host.load().methods:
        warn(f"a method '{name}' already exists: if both are installed, neither can be used.")
    written = write(contents, folder)
    for path in written:
        typer.echo(f"wrote {path}")
    first = written[0]
    if single_file:
        file = shlex.quote(str(first))
        typer.echo(f"next: matekd-bench methods check {file}")
        typer.echo(f"then: matekd-bench run --plugin {file} --methods {name} --tasks rte")
        return
    package = shlex.quote(str(first.parent))
    extra = shlex.quote(f"{first.parent}[test]")
    typer.echo(f"next: pip install -e {extra} && python -m pytest {package}")
    typer.echo(f"then: matekd-bench run --methods {name} --tasks rte")
