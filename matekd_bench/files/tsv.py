"""Reads tab-separated files in GLUE's format: no quoting, LF or CRLF, with or without a byte-order mark."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from matekd_bench.errors import DataError
from matekd_bench.files.reading import read_text


@dataclass(frozen=True)
class TsvTable:
    """The cells of a file: the header or None, and the rows, each with its line number counted from 1."""

    file: Path
    header: list[str] | None
    rows: list[tuple[int, list[str]]]


def read_table(file: Path, *, header: bool) -> TsvTable:
    """Split a UTF-8 `file` into cells as `split_table` does; also raise DataError if it cannot be read."""
    return split_table(read_text(file), file, header=header)


def split_table(text: str, file: Path, *, header: bool) -> TsvTable:
    """Split the text of `file` into cells at line ends and tabs only, and leave out empty lines.

    Quotes, U+0085, U+2028 and lone carriage returns are ordinary characters; `str.splitlines` and the csv module would
    split rows there. Raises DataError for a file without rows.
    """
    lines = ((number, line.removesuffix("\r")) for number, line in enumerate(text.split("\n"), start=1))
    rows = [(number, line.split("\t")) for number, line in lines if line]
    names = rows.pop(0)[1] if header and rows else None
    if not rows:
        raise DataError(f"'{file}' holds no rows.")
    return TsvTable(file, names, rows)
