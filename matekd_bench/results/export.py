"""Leaderboard and runs as files: CSV, JSON and Markdown, the same bytes for the same records."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matekd_bench.errors import ResultsError, UsageError, unknown
from matekd_bench.results.files import write_atomically
from matekd_bench.results.leaderboard import build
from matekd_bench.results.record import Record
from matekd_bench.results.render import markdown_table, to_markdown
from matekd_bench.results.rows import Flat, Value, leaderboard_rows, run_rows
from matekd_bench.results.wording import Sheet
from matekd_bench.tasks.record import Suite, Task

TABLES = ("leaderboard", "runs")
# What a spreadsheet takes for the start of a formula (OWASP, "CSV injection").
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export(
    path: Path,
    table: str,
    records: Sequence[Record],
    *,
    tasks: Mapping[str, Task],
    suites: Sequence[Suite],
    control: str | None = "kd",
) -> None:
    """Writes `table` ("leaderboard" or "runs") to `path` in the format of its extension.

    Scores are fractions. Raises UsageError for another table or extension, ResultsError where the file cannot
    be written; an existing file is replaced whole or not at all.
    """
    write = check_path(path)
    if table not in TABLES:
        raise unknown("table", table, TABLES)
    if table == "leaderboard":
        leaderboard = build(records, tasks=tasks, suites=suites, control=control)
        markdown = path.suffix.lower() == ".md"
        text = to_markdown(leaderboard) if markdown else write(leaderboard_rows(leaderboard, suites))
    else:
        text = write(run_rows(records))
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise ResultsError(f"{path} cannot be written: {error.strerror or error}.") from error


def check_path(path: Path) -> Callable[[Flat], str]:
    """The writer for the path's extension; UsageError naming those that exist where there is none."""
    try:
        return WRITERS[path.suffix.lower()]
    except KeyError:
        given = f"extension '{path.suffix}'" if path.suffix else "no extension"
        raise UsageError(f"cannot export to {path}: {given}; there are {', '.join(WRITERS)}.") from None


def to_csv(flat: Flat) -> str:
    """CSV with a header: empty where there is no value, numbers as Python writes them, texts defused."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(defused, flat.columns))
    writer.writerows([_csv_cell(row[column]) for column in flat.columns] for row in flat.rows)
    return file.getvalue()


def defused(text: str) -> str:
    """`text` with an apostrophe in front where a spreadsheet would run it as a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _csv_cell(value: Value) -> Value:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return value
    # Python before 3.13 leaves a lone CR unquoted, and readers take it for the end of the row.
    return defused(value).replace("\r\n", "\n").replace("\r", "\n")


def to_json(flat: Flat) -> str:
    """A JSON list of objects, one per row, all with the same keys; null where there is no value."""
    return json.dumps(flat.rows, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def flat_markdown(flat: Flat) -> str:
    """The rows as one Markdown table, columns without any value left out."""
    shown = [column for column in flat.columns if any(row[column] is not None for row in flat.rows)]
    header = tuple((column,) for column in shown)
    rows = tuple(tuple((_text(row[column]),) for column in shown) for row in flat.rows)
    return "\n".join(markdown_table(Sheet(header, rows))) + "\n"


def _text(value: Value) -> str:
    return "" if value is None else str(_csv_cell(value) if isinstance(value, bool) else value)


WRITERS: Mapping[str, Callable[[Flat], str]] = {".csv": to_csv, ".json": to_json, ".md": flat_markdown}
