"""Leaderboard and runs as files, as the extension says: the same bytes for the same records."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matekd_bench.errors import ResultsError, UsageError, unknown
from matekd_bench.methods.record import Method
from matekd_bench.results.board.leaderboard import build
from matekd_bench.results.board.table import Leaderboard
from matekd_bench.results.files import write_atomically
from matekd_bench.results.output import documents
from matekd_bench.results.output.render import markdown_table
from matekd_bench.results.output.rows import Flat, Value, leaderboard_rows, run_rows
from matekd_bench.results.output.wording import Sheet
from matekd_bench.results.records.record import Record
from matekd_bench.tasks.record import Suite, Task

if TYPE_CHECKING:
    from matekd_bench.results.board.evidence import Evidence

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
    evidence: Evidence | None = None,
    leaderboard: Leaderboard | None = None,
    methods: Mapping[str, Method] | None = None,
    plot: str | None = None,
) -> None:
    """Writes `table` ("leaderboard" or "runs") to `path` in the format of its extension.

    Where `leaderboard` is given it is written, and not built again from the records and their `evidence`.
    Scores are fractions. `methods` are those installed, for a web page; `plot` names what a picture shows, where the
    file's name does not. Raises UsageError as `check_path` and for an empty picture, ResultsError where the file cannot
    be written; an existing file is replaced whole or not at all.
    """
    check_path(path, table, plot)
    extension = path.suffix.lower()
    if table == "runs":
        rows = run_rows(records, evidence.xfits(records, tasks) if evidence else {})
        content = WRITERS[extension](rows).encode()
    else:
        if leaderboard is None:
            leaderboard = build(records, tasks=tasks, suites=suites, control=control, evidence=evidence)
        if extension in documents.EXTENSIONS:
            content = documents.document(path, leaderboard, records, methods or {}, plot)
        else:
            content = WRITERS[extension](leaderboard_rows(leaderboard, suites)).encode()
    try:
        write_atomically(path, content)
    except OSError as error:
        raise ResultsError(f"{path} cannot be written: {error.strerror or error}.") from error


def check_path(path: Path, table: str = "leaderboard", plot: str | None = None) -> None:
    """Raises UsageError, naming what there is, for another table, extension or plot."""
    if table not in TABLES:
        raise unknown("table", table, TABLES)
    allowed = list(dict.fromkeys([*WRITERS, *(documents.EXTENSIONS if table == "leaderboard" else ())]))
    if path.suffix.lower() not in allowed:
        given = f"extension '{path.suffix}'" if path.suffix else "no extension"
        what = f"the runs to {path}" if table == "runs" else f"to {path}"
        raise UsageError(f"cannot export {what}: {given}; there are {', '.join(allowed)}.")
    documents.check(path, plot)


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
