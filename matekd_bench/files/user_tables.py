"""Reads the user's CSV, TSV and JSON lines files as rows of named cells; every error names file and line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matekd_bench.errors import DataError, likely_encoding, list_available
from matekd_bench.files.reading import UTF_8, read_text
from matekd_bench.files.tsv import split_table
from matekd_bench.spelling import nearest_of

EXTENSIONS = (".csv", ".tsv", ".jsonl")
LONGEST_CELL = 1 << 24  # characters; the default of the csv module is 131072


@dataclass(frozen=True)
class TableLine:
    """One row: the number of its first line in the file, counted from 1, and its cells by column.

    `overflows` is True if this row has a value in a column without a name, which is left out.
    """

    number: int
    cells: Mapping[str, Any]
    overflows: bool = False


def read_lines(file: Path, encoding: str | None = None) -> list[TableLine]:
    """Return the rows of a file in the format of its extension, without empty lines.

    None means UTF-8 where the user cannot choose another encoding, so that no message names an option for one.
    Columns without a name, which spreadsheets leave at the end, are left out, and so are rows of empty cells. Raises
    DataError, naming file and line, if the file cannot be read, is not in this encoding, holds a NUL byte or no rows,
    if two columns have the same name, or if a row does not fit the header.
    """
    reader = {".csv": _csv_lines, ".tsv": _tsv_lines, ".jsonl": _jsonl_lines}.get(file.suffix.lower())
    if reader is None:
        raise DataError(f"'{file}' must have one of the extensions {', '.join(EXTENSIONS)}.")
    if not file.is_file():  # a pipe would be empty when it is read again
        raise DataError(f"there is no file '{file}'.")
    lines = list(reader(file, _content(file, encoding)))
    if not lines:
        raise DataError(f"'{file}' holds no rows.")
    return lines


def _content(file: Path, encoding: str | None) -> str:
    """Return the text of the file; raise DataError if it has another encoding or is not text at all."""
    try:
        text = read_text(file, encoding=encoding or UTF_8)
    except DataError as error:
        if encoding is None or not isinstance(error.__cause__, UnicodeDecodeError):
            raise
        other = likely_encoding(error.__cause__.object)
        advice = f"or read it with --encoding {other} ('encoding' in a task file)."
        raise DataError(f"{error.message.removesuffix('.')}, {advice}") from error.__cause__
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        advice = "save UTF-16 as UTF-8" if encoding is None else "UTF-16 needs --encoding utf-16"
        raise DataError(f"'{file}', line {line}: it contains a NUL byte, so it is not text; {advice}.")
    return text


def texts_of(lines: Sequence[TableLine], columns: Sequence[str], file: Path) -> list[tuple[str, ...]]:
    """Return the texts of the named columns, a tuple per row.

    Raises DataError for a missing column or a cell that is not text.
    """
    for column in columns:
        check_column(file, lines, column)
    return [tuple(text_of(line, column, file) for column in columns) for line in lines]


def other_cells(lines: Sequence[TableLine], columns: Sequence[str], file: Path) -> list[dict[str, Any]]:
    """Return the cells of all columns but these, so that they can be written to another file.

    NaN and infinity, which JSON does not have, become None. Raises DataError for half of a character.
    """
    return [
        {name: _writable(line, name, file) for name in line.cells if name not in columns} for line in lines
    ]


def _writable(line: TableLine, column: str, file: Path) -> Any:
    name_and_value = json.dumps([column, line.cells[column]], ensure_ascii=False)
    whole_text(name_and_value, line, column, file)
    return json.loads(name_and_value, parse_constant=lambda _: None)[1]


def check_column(file: Path, lines: Sequence[TableLine], *columns: str) -> None:
    """Raise DataError, with the nearest name and all that exist, if no row has one of these columns."""
    if any(column in line.cells for line in lines for column in columns):
        return
    present = list(lines[0].cells)
    misspelt = next((column for column in columns if nearest_of(column, present)), columns[0])
    hint = None
    if len(present) == 1 and file.suffix.lower() == ".csv":
        names = {";": "semicolons", "\t": "tabs", "|": "bars"}
        used = next((name for mark, name in names.items() if mark in present[0]), None)
        hint = f"Its columns are separated by {used}: save it with commas." if used else None
    named = " or ".join(f"'{column}'" for column in columns)
    place = f"'{file}'" if file.suffix.lower() == ".jsonl" else f"line 1 of '{file}'"
    raise DataError(f"no column {named} in {place}: {list_available(misspelt, present)}", hint=hint)


def is_empty(value: Any) -> bool:
    """Return True if a cell is missing or holds only blanks."""
    return value is None or (isinstance(value, str) and not value.strip())


def text_of(line: TableLine, column: str, file: Path) -> str:
    """Return a cell; raise DataError if it is missing or not text."""
    if column not in line.cells:
        raise DataError(f"'{file}', line {line.number}: '{column}' is missing.")
    value = line.cells[column]
    if not isinstance(value, str):
        raise DataError(f"'{file}', line {line.number}: '{column}' is {json.dumps(value)[:60]}, not text.")
    return whole_text(value, line, column, file)


def whole_text(text: str, line: TableLine, column: str, file: Path) -> str:
    r"""Return `text`; raise DataError if it has half of a character, such as JSON's \ud83d without its second half."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = ascii(text[error.start])
        raise DataError(
            f"'{file}', line {line.number}: '{column}' holds half of a character, {half}."
        ) from error
    return text


def _csv_lines(file: Path, text: str) -> Iterator[TableLine]:
    """Yield the rows of a CSV file; quotes enclose cells with commas, quotes or line breaks."""
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    first = 1  # line of the current row: an unclosed quote is reported where it was opened
    try:
        header = _checked_header(file, next(reader, None))
        first = reader.line_num + 1
        for row in reader:
            if any(row) or len(row) == 1:  # an empty quoted cell in the only column is an empty text
                yield _table_line(file, first, header, row)
            first = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"'{file}', line {first}: not CSV ({error}).") from error


def _tsv_lines(file: Path, text: str) -> Iterator[TableLine]:
    """Yield the rows of a TSV file in GLUE's format, where quotes are ordinary characters."""
    table = split_table(text, file, header=True)
    header = _checked_header(file, table.header)
    for number, row in table.rows:
        if any(row):
            yield _table_line(file, number, header, row)


def _jsonl_lines(file: Path, text: str) -> Iterator[TableLine]:
    """Yield the rows of a file with one JSON object per line; only CR and LF end a line, which JSON escapes."""
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        if not line.strip():
            continue
        try:
            cells = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"'{file}', line {number}: not JSON ({error}); each line must be one JSON object."
            ) from error
        if not isinstance(cells, dict):
            raise DataError(f"'{file}', line {number}: not a JSON object, like {{\"text\": ...}}.")
        yield TableLine(number, cells)


def _checked_header(file: Path, header: list[str] | None) -> list[str]:
    """Return the header; raise DataError if there is none or a name occurs twice."""
    if not header:
        raise DataError(f"'{file}' is empty: its first line must name the columns.")
    repeated = sorted({name for name in header if name.strip() and header.count(name) > 1})
    if repeated:
        raise DataError(f"'{file}' has two columns named '{repeated[0]}'.")
    return header


def _table_line(file: Path, number: int, header: list[str], row: list[str]) -> TableLine:
    """Return a row as cells by column; raise DataError if it is not as wide as the header."""
    if len(row) != len(header):
        raise DataError(f"'{file}', line {number}: {len(row)} cells, but the header has {len(header)}.")
    cells = list(zip(header, row, strict=True))
    named = {name: cell for name, cell in cells if name.strip()}
    return TableLine(number, named, any(cell for name, cell in cells if not name.strip()))
