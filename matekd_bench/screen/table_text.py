"""Plain tables as lines of text."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield columns as wide as their widest cell; on a terminal, wrap the last one to the screen's width."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    indent = sum(widths[:-1]) + 2 * len(widths[:-1])
    screen = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    room = max(24, screen - indent)
    for row in (header, *rows):
        lines = textwrap.wrap(row[-1], room) or [""]
        first = "  ".join(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False))
        yield f"{first}  {lines[0]}".rstrip()
        yield from (" " * indent + line for line in lines[1:])
