"""Tab-separated files as GLUE writes them: no quoting, maybe a byte-order mark, LF or CRLF."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from matekd_bench.errors import DataError


@dataclass(frozen=True)
class TsvTable:
    """The cells of a file: the header, None where it has none, and the rows by line number from 1."""

    file: Path
    header: list[str] | None
    rows: list[tuple[int, list[str]]]


def read_table(file: Path, *, header: bool) -> TsvTable:
    """Splits `file` into cells at line ends and tabs and at nothing else; empty lines are left out.

    Quotes are ordinary characters, and so are U+0085, U+2028 and lone carriage returns: `str.splitlines` and
    the csv module would cut rows there. Raises DataError for a file that cannot be read, is not UTF-8 or
    holds no row.
    """
    lines = (
        (number, line.removesuffix("\r")) for number, line in enumerate(_text(file).split("\n"), start=1)
    )
    rows = [(number, line.split("\t")) for number, line in lines if line]
    names = rows.pop(0)[1] if header and rows else None
    if not rows:
        raise DataError(f"'{file}' holds no rows.")
    return TsvTable(file, names, rows)


def _text(file: Path) -> str:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read '{file}': {error.strerror}.") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"'{file}', line {line}: not UTF-8 text ({error.reason}).") from error
