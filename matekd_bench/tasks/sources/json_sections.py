"""Reads a JSON file that holds several data sets, each a list of rows under a key of its own, as AdvGLUE has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matekd_bench.errors import DataError, list_available
from matekd_bench.files.reading import read_json
from matekd_bench.files.tsv import TsvTable


def read_section(file: Path, section: str) -> TsvTable:
    """Return the rows of one section as a table whose header are the keys of its first row.

    Rows are numbered from 1. Raises DataError for a file without this section, and for a row without one of the keys.
    """
    content: object = read_json(file)
    if not isinstance(content, dict) or section not in content:
        known = (
            list_available(section, list(content))
            if isinstance(content, dict)
            else "it is not a JSON object."
        )
        raise DataError(f"no section '{section}' in '{file}': {known}")
    rows = content[section]
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], dict):
        raise DataError(f"'{file}', section '{section}': it holds no list of rows.")
    header = list(rows[0])
    table = [(number, _cells(row, header, file, section, number)) for number, row in enumerate(rows, start=1)]
    return TsvTable(file, header, table)


def _cells(row: Any, header: list[str], file: Path, section: str, number: int) -> list[str]:
    """Return the values of a row as text, in the order of the header."""
    missing = [key for key in header if not isinstance(row, dict) or not isinstance(row.get(key), str | int)]
    if missing:
        raise DataError(
            f"'{file}', section '{section}', row {number}: the text or number '{missing[0]}' is missing."
        )
    return [str(row[key]) for key in header]
