"""Read a user's own texts for predictions: a table or JSON lines, with columns named as the task's fields."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from matekd_bench.errors import DataError, UsageError
from matekd_bench.files.tsv import read_table
from matekd_bench.tasks.sources.source import list_available

FORMATS = (".tsv", ".csv", ".jsonl")


def read_texts(path: Path, fields: Sequence[str]) -> list[tuple[str, ...]]:
    """Read the columns or keys `fields` of a file, one tuple of texts per row.

    The formats are .tsv without quoting, as in GLUE, .csv with quotes, and .jsonl with one object per line. Raises
    UsageError for another suffix, DataError for a file that cannot be read or lacks a column.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(f"'{path}': texts are read from {', '.join(FORMATS)} files.")
    if suffix == ".tsv":
        table = read_table(path, header=True)
        return list(_select_columns(path, table.header or [], table.rows, fields))
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"'{path}' cannot be read: {error}.") from None
    if suffix == ".jsonl":
        texts = [
            _texts_from_json(path, number, line, fields)
            for number, line in enumerate(content.splitlines(), 1)
            if line.strip()
        ]
    else:
        reader = csv.reader(io.StringIO(content, newline=""))
        header = next(reader, [])
        texts = list(
            _select_columns(path, header, ((reader.line_num, cells) for cells in reader if cells), fields)
        )
    if not texts:
        raise DataError(f"'{path}' holds no rows.")
    return texts


def _select_columns(
    path: Path, header: Sequence[str], rows: Any, fields: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    for name in fields:
        if name not in header:
            raise DataError(f"no column '{name}' in '{path}': {list_available(name, list(header))}")
    columns = [list(header).index(name) for name in fields]
    for number, cells in rows:
        if len(cells) != len(header):
            raise DataError(
                f"'{path}', line {number}: {len(cells)} cells where the header has {len(header)}."
            )
        yield tuple(cells[column] for column in columns)


def _texts_from_json(path: Path, number: int, line: str, fields: Sequence[str]) -> tuple[str, ...]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"'{path}', line {number}: not JSON ({error}).") from None
    if not isinstance(row, dict):
        raise DataError(f"'{path}', line {number}: an object with {', '.join(fields)} is expected.")
    for name in fields:
        if not isinstance(row.get(name), str):
            raise DataError(f"'{path}', line {number}: no text '{name}': {list_available(name, list(row))}")
    return tuple(row[name] for name in fields)
