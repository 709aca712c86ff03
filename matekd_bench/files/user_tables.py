"""Reads the user's CSV, TSV and JSON lines files as rows of named cells, with line numbers for errors."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matekd_bench.errors import DataError
from matekd_bench.files.tsv import read_table

EXTENSIONS = (".csv", ".tsv", ".jsonl")
LONGEST_CELL = 1 << 24  # characters; the default of the csv module is 131072


@dataclass(frozen=True)
class TableLine:
    """One row: its line number in the file, counted from 1, and its cells by column."""

    number: int
    cells: Mapping[str, Any]


def read_lines(file: Path) -> list[TableLine]:
    """Return the rows of a file in the format of its extension, without empty lines.

    Raises DataError, naming file and line, if the file cannot be read, is not UTF-8 or holds no rows, if two columns
    have one name, or if a row does not fit the header.
    """
    reader = {".csv": _csv_lines, ".tsv": _tsv_lines, ".jsonl": _jsonl_lines}.get(file.suffix.lower())
    if reader is None:
        raise DataError(f"'{file}' must be one of {', '.join(EXTENSIONS)}.")
    if not file.is_file():
        raise DataError(f"there is no file '{file}'.")
    try:
        lines = list(reader(file))
    except UnicodeDecodeError as error:
        raise DataError(f"'{file}' is not UTF-8 text ({error.reason}).") from error
    except OSError as error:
        raise DataError(f"'{file}' cannot be read: {error.strerror}.") from error
    if not lines:
        raise DataError(f"'{file}' holds no rows.")
    return lines


def _csv_lines(file: Path) -> Iterator[TableLine]:
    """Yield the rows of a CSV file; quotes enclose cells with commas, quotes or line breaks."""
    csv.field_size_limit(LONGEST_CELL)
    with file.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.reader(opened, strict=True)
        try:
            header = _checked_header(file, next(reader, None))
            for row in reader:
                if row:
                    yield _table_line(file, reader.line_num, header, row)
        except csv.Error as error:
            raise DataError(f"'{file}', line {reader.line_num}: not CSV ({error}).") from error


def _tsv_lines(file: Path) -> Iterator[TableLine]:
    """Yield the rows of a TSV file in GLUE's format, where quotes are ordinary characters."""
    table = read_table(file, header=True)
    header = _checked_header(file, table.header)
    for number, row in table.rows:
        yield _table_line(file, number, header, row)


def _jsonl_lines(file: Path) -> Iterator[TableLine]:
    """Yield the rows of a file with one JSON object per line."""
    with file.open(encoding="utf-8-sig") as opened:
        for number, text in enumerate(opened, start=1):
            if not text.strip():
                continue
            try:
                cells = json.loads(text)
            except ValueError as error:
                raise DataError(f"'{file}', line {number}: not JSON ({error}).") from error
            if not isinstance(cells, dict):
                raise DataError(f"'{file}', line {number}: not a JSON object, like {{\"text\": ...}}.")
            yield TableLine(number, cells)


def _checked_header(file: Path, header: list[str] | None) -> list[str]:
    """Return the header; raise DataError if there is none or a name occurs twice."""
    if not header:
        raise DataError(f"'{file}' is empty: its first line must name the columns.")
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise DataError(f"'{file}' has two columns named '{repeated[0]}'.")
    return header


def _table_line(file: Path, number: int, header: list[str], row: list[str]) -> TableLine:
    """Return a row as cells by column; raise DataError if it is not as wide as the header."""
    if len(row) != len(header):
        raise DataError(f"'{file}', line {number}: {len(row)} cells where the header has {len(header)}.")
    return TableLine(number, dict(zip(header, row, strict=True)))
