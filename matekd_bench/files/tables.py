"""The user's files as rows of named cells: CSV, TSV and JSON lines, with the place of every row for errors."""

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
LONGEST_CELL = 1 << 24  # characters; csv's own limit is 131072


@dataclass(frozen=True)
class TableLine:
    """One row: its number in the file, counted from 1, and its cells by column."""

    number: int
    cells: Mapping[str, Any]


def read_lines(file: Path) -> list[TableLine]:
    """The rows of a file, as its extension says; empty lines are left out.

    Raises DataError, naming file and line, for a file that cannot be read, is not UTF-8, holds no rows, has two
    columns of one name or a row that does not fit its header.
    """
    reader = {".csv": _csv, ".tsv": _tsv, ".jsonl": _jsonl}.get(file.suffix.lower())
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


def _csv(file: Path) -> Iterator[TableLine]:
    """Comma-separated, with quotes where a cell holds commas, quotes or line breaks."""
    csv.field_size_limit(LONGEST_CELL)
    with file.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.reader(opened, strict=True)
        try:
            header = _header(file, next(reader, None))
            for row in reader:
                if row:
                    yield _fitted(file, reader.line_num, header, row)
        except csv.Error as error:
            raise DataError(f"'{file}', line {reader.line_num}: not CSV ({error}).") from error


def _tsv(file: Path) -> Iterator[TableLine]:
    """Tab-separated as GLUE writes it: quotes are ordinary characters."""
    table = read_table(file, header=True)
    header = _header(file, table.header)
    for number, row in table.rows:
        yield _fitted(file, number, header, row)


def _jsonl(file: Path) -> Iterator[TableLine]:
    """One JSON object a line."""
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


def _header(file: Path, header: list[str] | None) -> list[str]:
    if not header:
        raise DataError(f"'{file}' is empty: its first line must name the columns.")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"'{file}' has two columns named '{twice[0]}'.")
    return header


def _fitted(file: Path, number: int, header: list[str], row: list[str]) -> TableLine:
    if len(row) != len(header):
        raise DataError(f"'{file}', line {number}: {len(row)} cells where the header has {len(header)}.")
    return TableLine(number, dict(zip(header, row, strict=True)))
