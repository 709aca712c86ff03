"""What commands print with: plain tables, JSON, warnings, and the host that most commands need."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host


def load_host(files: Sequence[Path] | None, no_plugins: bool) -> Host:
    """The host, its warnings on stderr."""
    from matekd_bench.plugins.host import Host

    host = Host.load(files or (), only_builtin=no_plugins)
    for line in host.warnings:
        warn(line)
    return host


def warn(text: str) -> None:
    """One warning line on stderr."""
    print(f"warning: {text}", file=sys.stderr)


def print_json(value: Any) -> None:
    """`value` as indented JSON on stdout; NaN is an error."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns set by their widest cell; on a terminal the last one is wrapped to the screen's width."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    indent = sum(widths[:-1]) + 2 * len(widths[:-1])
    screen = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    room = max(24, screen - indent)
    for row in (header, *rows):
        lines = textwrap.wrap(row[-1], room) or [""]
        first = "  ".join(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False))
        typer.echo(f"{first}  {lines[0]}".rstrip())
        for line in lines[1:]:
            typer.echo(" " * indent + line)


def print_finding(state: str, text: str, todo: str) -> None:
    """A state and what was found; below it, behind an arrow, what to do. Wrapped on a terminal."""
    screen = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for start, content in ((f"{state:<8} ", text), (f"{'':5} -> ", todo)):
        if content:
            first, *rest = textwrap.wrap(content, max(24, screen - len(start)), break_on_hyphens=False)
            typer.echo("\n".join([start + first, *(" " * len(start) + line for line in rest)]))


def print_fields(fields: Sequence[tuple[str, str]]) -> None:
    """Name and value, one a line; those without a value are left out."""
    shown = [(name, value) for name, value in fields if value]
    width = max(len(name) for name, _ in shown)
    for name, value in shown:
        typer.echo(f"{name.ljust(width)}  {value}")


def conflicts(host: Host, kind: str) -> list[tuple[str, str, str]]:
    """A row for every name that several plugins claim."""
    return [
        (name, "conflict", "claimed by " + " and by ".join(str(claim.by) for claim in claims))
        for (of, name), claims in host.conflicts.items()
        if of == kind
    ]
