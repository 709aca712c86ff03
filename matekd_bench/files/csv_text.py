"""Writes rows as CSV or TSV. All files go through it, so that no cell runs as a formula in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from matekd_bench.files.printable import printable

Value: TypeAlias = str | int | float | bool | None
# Characters that a spreadsheet reads as the start of a formula (OWASP, "CSV injection").
FORMULA = ("=", "+", "-", "@", "\t", "\r")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def csv_text(
    columns: Sequence[str],
    rows: Iterable[Mapping[str, Value]],
    *,
    delimiter: str = ",",
    number: Callable[[float], str] = str,
) -> str:
    """Format rows with a header; each row has a value for every column.

    Missing values are empty, and texts pass `defuse_formula` and `printable`. `number` formats floats, by default as
    Python prints them.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow([_cell(column, number) for column in columns])
    writer.writerows([_cell(row[column], number) for column in columns] for row in rows)
    return file.getvalue()


def defuse_formula(text: str) -> str:
    """Put an apostrophe before `text` if a spreadsheet would run it as a formula, which is not the case for -1."""
    return f"'{text}" if text.startswith(FORMULA) and not NUMBER.fullmatch(text) else text


def _cell(value: Value, number: Callable[[float], str]) -> Value:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number(value)
    if not isinstance(value, str):
        return value
    # Python before 3.13 does not quote a lone CR, which readers take for the end of the row.
    return printable(defuse_formula(value).replace("\r\n", "\n").replace("\r", "\n"))
