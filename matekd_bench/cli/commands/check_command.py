"""``matekd-bench methods check``: whether a method keeps the contract that all methods keep."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matekd_bench.cli import completion
from matekd_bench.cli.options import Json, NoPlugins, Option, PluginFiles
from matekd_bench.cli.ui.console import load_host, print_finding, print_json

if TYPE_CHECKING:
    from matekd_bench.contract import CheckResult, Subject
    from matekd_bench.plugins.host import Host


def check(
    what: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE",
            help="A method, or several as in --methods, or a plugin's file, whose code is run.",
            autocompletion=completion.methods,
        ),
    ],
    only: Annotated[
        str | None, Option("--only", metavar="LIST", help="Only these promises, e.g. 'rows,memory'.")
    ] = None,
    json: Json = False,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> int:
    """Ask a method everything that all methods promise, on toy text and mini-GLUE; about ten seconds each."""
    import torch

    from matekd_bench.contract import check as ask

    torch.set_num_threads(1)  # toy networks gain nothing from more, and lose much where the cores are busy
    file = Path(what) if what.endswith(".py") else None
    host = load_host([*(plugin or []), *([file] if file else [])], no_plugins)
    wanted = [name.strip() for name in only.split(",")] if only else ()
    found = {subject.name: ask(subject, wanted) for subject in _subjects(host, what, file)}
    if json:
        print_json({name: [asdict(one) for one in findings] for name, findings in found.items()})
    else:
        for name, findings in found.items():
            _print(name, findings)
    return 1 if any(one.state == "broken" for findings in found.values() for one in findings) else 0


def _subjects(host: Host, what: str, file: Path | None) -> list[Subject]:
    """The methods that were named, or all that a file provides."""
    from matekd_bench.contract import subject_of
    from matekd_bench.errors import UsageError
    from matekd_bench.methods.params import resolve_all

    if file is not None:
        path = str(file.resolve())
        records = [found.record for found in host.methods.values() if found.by.path == path]
        if not records:
            raise UsageError(
                f"the file '{file}' provides no method.", hint="'matekd-bench plugins' says what it has."
            )
        return [subject_of(record) for record in records]
    if what in host.methods:
        return [subject_of(host.method(what).record)]
    return [subject_of(one) for one in resolve_all(what, lambda name: host.method(name).record, {})]


def _print(name: str, findings: list[CheckResult]) -> None:
    typer.echo(name)
    for one in findings:
        text = f"{one.promise}: {one.expected}" if one.state == "kept" else f"{one.promise}: {one.happened}"
        expected = f"expected: {one.expected}. {one.mend}" if one.state == "broken" else ""
        print_finding(one.state, text, expected)
    broken = sum(one.state == "broken" for one in findings)
    kept = sum(one.state == "kept" for one in findings)
    typer.echo(f"{name}: {kept} promises kept, {broken} broken, {len(findings) - kept - broken} not asked.")
