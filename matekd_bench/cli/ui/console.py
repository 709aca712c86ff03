"""Plain tables, JSON and warnings on the console, and the plugin host that most commands need."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from matekd_bench.files.printable import json_text, one_line
from matekd_bench.screen.table_text import table_lines

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host


def load_host(files: Sequence[Path] | None, no_plugins: bool) -> Host:
    """Load the plugins, including those in `files`, and print the host's warnings on stderr."""
    from matekd_bench.plugins.host import Host

    host = Host.load(files or (), only_builtin=no_plugins)
    for line in host.warnings:
        warn(line)
    return host


def warn(text: str) -> None:
    """Print one warning line on stderr."""
    print(f"warning: {one_line(text)}", file=sys.stderr)


def print_json(value: Any) -> None:
    """Print `value` as indented JSON on stdout; raise ValueError for NaN."""
    typer.echo(json_text(value, indent=2))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns as wide as their widest cell; on a terminal, wrap the last one to the screen's width."""
    for line in table_lines(header, rows):
        typer.echo(line)


def print_finding(state: str, text: str, todo: str) -> None:
    """Print a state and its text, then `todo` after an arrow; on a terminal, wrap both."""
    screen = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for start, content in ((f"{state:<8} ", text), (f"{'':5} -> ", todo)):
        if content:
            first, *rest = textwrap.wrap(content, max(24, screen - len(start)), break_on_hyphens=False)
            typer.echo("\n".join([start + first, *(" " * len(start) + line for line in rest)]))


def print_fields(fields: Sequence[tuple[str, str]]) -> None:
    """Print a name and its value per line; skip fields without a value."""
    filled = [(name, value) for name, value in fields if value]
    width = max(len(name) for name, _ in filled)
    for name, value in filled:
        typer.echo(f"{name.ljust(width)}  {value}")


def conflicts(host: Host, kind: str) -> list[tuple[str, str, str]]:
    """Return a table row for every name of this kind that several plugins claim."""
    return [
        (name, "conflict", "claimed by " + " and by ".join(str(claim.by) for claim in claims))
        for (conflict_kind, name), claims in host.conflicts.items()
        if conflict_kind == kind
    ]
