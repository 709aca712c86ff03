"""``matekd-bench methods``: list the methods, describe one, and register ``preview``, ``check`` and ``texts``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matekd_bench.cli import completion
from matekd_bench.cli.commands import check_command, preview_command, rows_commands
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
    from matekd_bench.plugins.method_code import MethodCode
    from matekd_bench.plugins.provided import Provided

app = typer.Typer(help="List the methods; 'methods show NAME' describes one.")
app.command(
    "preview",
    epilog=examples("methods preview eda,matekd --task rte --n 5", "methods preview eda --html preview.html"),
)(preview_command.preview)
app.command("check", epilog=examples("methods check eda", "methods check my_method.py --only rows,memory"))(
    check_command.check
)
app.command(
    "texts",
    epilog=examples(
        "methods texts rte --glue-dir DIR --out texts.jsonl",
        "methods texts rte,mrpc --by-id --segments first --out texts.jsonl",
    ),
)(rows_commands.texts)


@app.callback(invoke_without_command=True)
def methods(
    context: typer.Context, json: Json = False, plugin: PluginFiles = None, no_plugins: NoPlugins = False
) -> None:
    """List the methods; 'methods show NAME' describes one."""
    if context.invoked_subcommand is not None:
        return
    host = load_host(plugin, no_plugins)
    provided_methods = [host.methods[name] for name in sorted(host.methods)]
    if json:
        print_json([_method_as_json(provided) for provided in provided_methods])
        return
    records = [provided.record for provided in provided_methods]
    rows = [(method.name, method.level, method.summary) for method in records]
    print_table(("method", "level", "summary"), sorted(rows + conflicts(host, "method")))


@app.command("show", epilog=examples("methods show eda", "methods show matekd --json"))
def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A name from the list.", autocompletion=completion.method)
    ],
    json: Json = False,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Describe one method: its parameters with defaults and bounds, its needs on this machine, and its citation."""
    from matekd_bench.methods.overrides import overrides_in_words
    from matekd_bench.methods.params import describe
    from matekd_bench.tools.doctor.method_needs import needs

    host = load_host(plugin, no_plugins)
    provided = host.method(name)
    method = provided.record
    code = provided.code
    findings = list(needs(method, host))
    if json:
        here = {"code": asdict(code), "needs_here": [asdict(finding) for finding in findings]}
        print_json({**_method_as_json(provided), **here})
        return
    print_fields(
        [
            ("method", method.name),
            ("summary", method.summary),
            ("level", method.level + (f", {method.role}" if method.role != "method" else "")),
            (
                "wraps",
                f"a method of level {method.wraps}, named first in the brackets" if method.wraps else "",
            ),
            ("version", method.version),
            ("tuned", "; ".join(f"{name}: {space}" for name, space in method.search.items())),
            ("overrides", overrides_in_words(method)),
            ("from", str(provided.by)),
            ("source", _source_text(code)),
            ("libraries", ", ".join(f"{name} {version}" for name, version in code.libraries.items())),
            ("cite", method.citation),
        ]
    )
    if findings:
        typer.echo("\nneeds")
        for finding in findings:
            print_finding(finding.state, f"{finding.name}: {finding.text}", finding.todo)
    parameters = [
        (parameter.name, parameter.type, parameter.default, parameter.bounds, parameter.description)
        for parameter in describe(method)
    ]
    typer.echo()
    if not parameters:
        typer.echo("no parameters")
        return
    print_table(("parameter", "type", "default", "bounds", "meaning"), parameters)
    first = next((one for one in parameters if one[2] != "none"), parameters[0])
    typer.echo(
        f"\nset one with --methods '{method.name}[{'METHOD,' if method.wraps else ''}{first[0]}={first[2]}]' "
        f"or --set {method.name}.{first[0]}={first[2]}"
    )


def _source_text(code: MethodCode) -> str:
    """Return the file of a method and the digest of its source."""
    return f"{code.path or 'no file'}, digest {code.digest or 'unknown'}"


def _method_as_json(provided: Provided[Method]) -> dict[str, Any]:
    from matekd_bench.methods.overrides import overrides_in_words
    from matekd_bench.methods.params import describe

    method = provided.record
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
        "libraries": list(method.libraries),
        "parameters": [asdict(parameter) for parameter in describe(method)],
        "provided_by": asdict(provided.by),
    }
