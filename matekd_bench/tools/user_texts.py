"""A user's own texts to be predicted on: a table or JSON lines whose columns are named as the task's fields."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from matekd_bench.errors import DataError, UsageError
from matekd_bench.files.tsv import read_table
from matekd_bench.tasks.sources.source import what_is_there

FORMATS = (".tsv", ".csv", ".jsonl")


def read_texts(path: Path, fields: Sequence[str]) -> list[tuple[str, ...]]:
    """The texts in a user's file: columns (or keys) named as the task's fields. DataError where it does not fit.

    .tsv as GLUE writes it (no quoting), .csv with quotes, .jsonl with an object a line.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(f"'{path}': texts are read from {', '.join(FORMATS)} files.")
    if suffix == ".tsv":
        table = read_table(path, header=True)
        return list(_picked(path, table.header or [], table.rows, fields))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"'{path}' cannot be read: {error}.") from None
    if suffix == ".jsonl":
        found = [
            _from_json(path, at, line, fields) for at, line in enumerate(text.splitlines(), 1) if line.strip()
        ]
    else:
        reader = csv.reader(io.StringIO(text, newline=""))
        header = next(reader, [])
        found = list(_picked(path, header, ((reader.line_num, cells) for cells in reader if cells), fields))
    if not found:
        raise DataError(f"'{path}' holds no rows.")
    return found


def _picked(path: Path, header: Sequence[str], rows: Any, fields: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for name in fields:
        if name not in header:
            raise DataError(f"no column '{name}' in '{path}': {what_is_there(name, list(header))}")
    at = [list(header).index(name) for name in fields]
    for number, cells in rows:
        if len(cells) != len(header):
            raise DataError(
                f"'{path}', line {number}: {len(cells)} cells where the header has {len(header)}."
            )
        yield tuple(cells[column] for column in at)


def _from_json(path: Path, number: int, line: str, fields: Sequence[str]) -> tuple[str, ...]:
    try:
        plain = json.loads(line)
    except ValueError as error:
        raise DataError(f"'{path}', line {number}: not JSON ({error}).") from None
    if not isinstance(plain, dict):
        raise DataError(f"'{path}', line {number}: an object with {', '.join(fields)} is expected.")
    for name in fields:
        if not isinstance(plain.get(name), str):
            raise DataError(f"'{path}', line {number}: no text '{name}': {what_is_there(name, list(plain))}")
    return tuple(plain[name] for name in fields)
