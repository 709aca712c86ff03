"""``matekd-bench methods check``: check methods against the contract of every method."""

from __future__ import annotations

from itertools import groupby
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
    target: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE",
            help="A method, a list as for --methods, or a plugin's file (this runs its code).",
            autocompletion=completion.methods,
        ),
    ],
    only: Annotated[
        str | None, Option("--only", metavar="LIST", help="Run only these checks, e.g. 'rows,memory'.")
    ] = None,
    json: Json = False,
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> int:
    """Check a method against the contract of every method, on toy text and mini-GLUE; takes about ten seconds each."""
    import torch

    from matekd_bench.contract import check as check_subject
    from matekd_bench.contract.report import counts, document, summary

    torch.set_num_threads(1)  # toy networks gain nothing from more threads, and lose much on busy cores
    file = Path(target) if target.endswith(".py") else None
    host = load_host([*(plugin or []), *([file] if file else [])], no_plugins)
    check_names = [name.strip() for name in only.split(",")] if only else ()
    reports = [(subject, check_subject(subject, check_names)) for subject in _subjects(host, target, file)]
    if json:
        print_json(document(reports, {name: provided.by for name, provided in host.methods.items()}))
    else:
        for subject, results in reports:
            _print_results(subject.name, results)
            typer.echo(f"{subject.name}: {counts(results) if check_names else summary(results)}")
    return 1 if any(result.state == "failed" for _, results in reports for result in results) else 0


def _subjects(host: Host, target: str, file: Path | None) -> list[Subject]:
    """Return the methods that `target` names, or all methods of a plugin's file."""
    from matekd_bench.contract import subject_of
    from matekd_bench.methods.params import resolve_all
    from matekd_bench.plugins.naming import methods_of_file

    if file is not None:
        return [subject_of(record) for record in methods_of_file(file, host.methods, host.conflicts)]
    if target in host.methods:
        return [subject_of(host.method(target).record)]
    return [subject_of(method) for method in resolve_all(target, lambda name: host.method(name).record, {})]


def _print_results(name: str, results: list[CheckResult]) -> None:
    """Print one method's checks; consecutive ones that failed or were skipped for the same reason share a line."""
    typer.echo(name)
    for _, group in groupby(results, key=lambda result: (result.state, result.happened or result.check)):
        first, *others = group
        names = ", ".join(result.check for result in (first, *others))
        happened = first.warning or first.happened or first.expected
        expected = "" if others else f"expected: {first.expected}. "
        print_finding(
            "warning" if first.warning else first.state,
            f"{names}: {happened}",
            f"{expected}{first.fix}" if first.state == "failed" else "",
        )
