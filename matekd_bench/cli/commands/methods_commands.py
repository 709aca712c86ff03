"""``matekd-bench methods``: which methods there are, and what one of them takes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matekd_bench.cli import completion
from matekd_bench.cli.commands import check_command, preview_command
from matekd_bench.cli.options import Json, NoPlugins, PluginFiles, examples
from matekd_bench.cli.ui.console import (
    conflicts,
    load_host,
    print_fields,
    print_finding,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from matekd_bench.methods.method import Method
    from matekd_bench.plugins.provided import Provided

app = typer.Typer(help="List the methods; 'methods show NAME' describes one.")
app.command(
    "preview",
    epilog=examples("methods preview eda,matekd --task rte --n 5", "methods preview eda --html preview.html"),
)(preview_command.preview)
app.command("check", epilog=examples("methods check eda", "methods check my_method.py --only rows,memory"))(
    check_command.check
)


@app.callback(invoke_without_command=True)
def methods(
    context: typer.Context, json: Json = False, plugin: PluginFiles = None, no_plugins: NoPlugins = False
) -> None:
    """List the methods; 'methods show NAME' describes one."""
    if context.invoked_subcommand is not None:
        return
    host = load_host(plugin, no_plugins)
    found = [host.methods[name] for name in sorted(host.methods)]
    if json:
        print_json([_as_json(one) for one in found])
        return
    rows = [(one.record.name, one.record.level, one.record.summary) for one in found]
    print_table(("method", "level", "summary"), sorted(rows + conflicts(host, "method")))


@app.command("show", epilog=examples("methods show eda", "methods show matekd --json"))
def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="As the list has it.", autocompletion=completion.method)
    ],
    json: Json = False,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Describe one method: its parameters with defaults and bounds, what it needs and has here, whom to cite."""
    from matekd_bench.methods.overrides import overrides_in_words
    from matekd_bench.methods.params import describe
    from matekd_bench.tools.doctor.method_needs import needs

    host = load_host(plugin, no_plugins)
    found = host.method(name)
    wanted = list(needs(found.record, host))
    if json:
        print_json({**_as_json(found), "needs_here": [asdict(one) for one in wanted]})
        return
    method = found.record
    print_fields(
        [
            ("method", method.name),
            ("summary", method.summary),
            ("level", method.level + (f", {method.role}" if method.role != "method" else "")),
            ("wraps", f"a method of level {method.wraps}, written first" if method.wraps else ""),
            ("version", method.version),
            ("tuned", "; ".join(f"{name}: {space}" for name, space in method.search.items())),
            ("overrides", overrides_in_words(method)),
            ("from", str(found.by)),
            ("cite", method.citation),
        ]
    )
    if wanted:
        typer.echo("\nneeds")
        for one in wanted:
            print_finding(one.state, f"{one.name}: {one.text}", one.todo)
    parameters = [(one.name, one.type, one.default, one.bounds, one.description) for one in describe(method)]
    typer.echo()
    if not parameters:
        typer.echo("no parameters")
        return
    print_table(("parameter", "type", "default", "bounds", "meaning"), parameters)
    first = parameters[0]
    typer.echo(
        f"\nset one with --methods '{name}[{'METHOD,' if method.wraps else ''}{first[0]}={first[2]}]' "
        f"or --set {name}.{first[0]}={first[2]}"
    )


def _as_json(found: Provided[Method]) -> dict[str, Any]:
    from matekd_bench.methods.overrides import overrides_in_words
    from matekd_bench.methods.params import describe

    method = found.record
    return {
        "name": method.name,
        "summary": method.summary,
        "level": method.level,
        "version": method.version,
        "role": method.role,
        "wraps": method.wraps,
        "needs": sorted(method.needs),
        "overrides": overrides_in_words(method),
        "search": {name: str(space) for name, space in method.search.items()},
        "citation": method.citation,
        "parameters": [asdict(parameter) for parameter in describe(method)],
        "provided_by": asdict(found.by),
    }
