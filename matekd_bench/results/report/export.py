"""Leaderboard and runs as files, as the extension says: the same bytes for the same records."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from matekd_bench.errors import PluginError, ResultsError, UsageError, unknown
from matekd_bench.files.safe_names import write_atomically
from matekd_bench.methods.method import Method
from matekd_bench.plugins.event_dispatch import check_packages
from matekd_bench.plugins.provided import Provided
from matekd_bench.plugins.record_types import ExportTable
from matekd_bench.results.leaderboard.build import build
from matekd_bench.results.leaderboard.table import Leaderboard
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report import documents
from matekd_bench.results.report.flat_rows import Flat, Value, leaderboard_rows, run_rows
from matekd_bench.results.report.text import markdown_table
from matekd_bench.results.report.wording import Sheet
from matekd_bench.tasks.task import Suite, Task

if TYPE_CHECKING:
    from matekd_bench.plugins.record_types import Exporter
    from matekd_bench.results.leaderboard.evidence import Evidence

TABLES = ("leaderboard", "runs")
# What a spreadsheet takes for the start of a formula (OWASP, "CSV injection").
FORMULA = ("=", "+", "-", "@", "\t", "\r")
Exporters: TypeAlias = Mapping[str, "Provided[Exporter]"]


def export(
    path: Path,
    table: str,
    records: Sequence[Record],
    *,
    tasks: Mapping[str, Task],
    suites: Sequence[Suite],
    reference: str | None = "kd",
    evidence: Evidence | None = None,
    leaderboard: Leaderboard | None = None,
    methods: Mapping[str, Method] | None = None,
    plot: str | None = None,
    exporters: Exporters | None = None,
) -> None:
    """Writes `table` ("leaderboard" or "runs") to `path` in the format of its extension.

    Where `leaderboard` is given it is written, and not built again from the records and their `evidence`.
    Scores are fractions. `methods` are those installed, for a web page; `plot` names what a picture shows, where the
    file's name does not; `exporters` are those of plugins, by extension without the dot. Raises UsageError as
    `check_path` and for an empty picture, ResultsError where the file cannot be written; an existing file is replaced
    whole or not at all.
    """
    check_path(path, table, plot, exporters)
    extension = path.suffix.lower()
    if table == "runs":
        rows = run_rows(records, evidence.xfits(records, tasks) if evidence else {})
        content = _written(path, table, rows, exporters or {})
    else:
        if leaderboard is None:
            leaderboard = build(records, tasks=tasks, suites=suites, reference=reference, evidence=evidence)
        if extension in documents.EXTENSIONS:
            content = documents.document(path, leaderboard, records, methods or {}, plot)
        else:
            content = _written(path, table, leaderboard_rows(leaderboard, suites), exporters or {})
    try:
        write_atomically(path, content)
    except OSError as error:
        raise ResultsError(f"{path} cannot be written: {error.strerror or error}.") from error


def _written(path: Path, table: str, flat: Flat, exporters: Exporters) -> bytes:
    """The rows in the format of the extension; PluginError where a plugin's exporter fails."""
    extension = path.suffix.lower()
    if extension in WRITERS:
        return WRITERS[extension](flat).encode()
    exporter = exporters[extension.removeprefix(".")]
    try:
        content = exporter.record.write(ExportTable(table, flat.columns, flat.rows))
    except Exception as error:  # foreign code: whatever it raises is about this file
        reason = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
        raise PluginError(f"{path}: the exporter '{extension}' of {exporter.by} failed: {reason}.") from error
    if not isinstance(content, bytes):
        kind = type(content).__name__
        raise PluginError(f"{path}: the exporter '{extension}' of {exporter.by} gave {kind}, not bytes.")
    return content


def check_path(
    path: Path, table: str = "leaderboard", plot: str | None = None, exporters: Exporters | None = None
) -> None:
    """Raises UsageError, naming what there is, for another table, extension or plot, or a package that is absent."""
    if table not in TABLES:
        raise unknown("table", table, TABLES)
    extension, own = path.suffix.lower(), dict.fromkeys([*WRITERS, *documents.EXTENSIONS])
    found = (exporters or {}).get(extension.removeprefix("."))
    if found is not None and extension in own:
        raise PluginError(f"'{extension}' is written by matekd-bench itself, and {found.by} claims it too.")
    if found is not None:
        check_packages(f"the exporter '{extension}'", found.record)
        return
    allowed = list(own if table == "leaderboard" else WRITERS) + [
        f".{name}" for name in sorted(exporters or ())
    ]
    if extension not in allowed:
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
