"""Exports the leaderboard and the runs to files; the same records give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from matekd_bench.errors import PluginError, ResultsError, UsageError, file_problem, unknown
from matekd_bench.files.csv_text import Value, csv_text
from matekd_bench.files.printable import json_text
from matekd_bench.files.safe_names import write_atomically
from matekd_bench.foreign_code import blamed
from matekd_bench.methods.method import Method
from matekd_bench.plugins.event_dispatch import check_packages
from matekd_bench.plugins.provided import Provided
from matekd_bench.plugins.record_types import ExportTable
from matekd_bench.results.leaderboard.table import LeaderboardTables
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report import documents
from matekd_bench.results.report.export_tables import rows_of_view, run_rows
from matekd_bench.results.report.markdown import markdown_table
from matekd_bench.results.report.sheets import Sheet, View
from matekd_bench.tasks.task import Suite, Task

if TYPE_CHECKING:
    from matekd_bench.plugins.record_types import Exporter
    from matekd_bench.results.leaderboard.evidence import Evidence

TABLES = ("leaderboard", "runs")
NO_TABLES = LeaderboardTables(())
Exporters: TypeAlias = Mapping[str, "Provided[Exporter]"]


def export(
    path: Path,
    table: str,
    records: Sequence[Record],
    *,
    tasks: Mapping[str, Task],
    suites: Sequence[Suite],
    evidence: Evidence | None = None,
    leaderboard: LeaderboardTables = NO_TABLES,
    methods: Mapping[str, Method] | None = None,
    exporters: Exporters | None = None,
    view: View = "overall",
    options: documents.FileOptions = documents.USUAL,
    texts: Mapping[str, Sequence[Sheet]] | None = None,
) -> list[Path]:
    """Write `table` ("leaderboard" or "runs") to `path` in the format of its extension.

    `leaderboard` was built from the records, and `evidence` gives the runs their cross-fitted scores. Scores are
    fractions. `methods` are the installed methods, for the cards of a web page. `exporters` are those of plugins, by
    extension without the dot. `view` says which of the leaderboard's tables are written, `options` how the file looks,
    and `texts` are the tables of texts on which methods disagree, by protocol, for a page. A page of many runs has a
    CSV of them beside it. An existing file is replaced completely or not at all. Returns the paths of the files.

    Raises UsageError like `check_path` and for an empty picture, PluginError if a plugin's exporter fails, and
    ResultsError if the file cannot be written.
    """
    check_path(path, table, options.plot, exporters, view)
    options.check([path])
    extension = path.suffix.lower()
    if table == "runs":
        rows = run_rows(records, evidence.xfits(records, tasks) if evidence else {})
        contents = {path: _format_rows(path, rows, exporters or {})}
    elif extension in documents.EXTENSIONS:
        contents = documents.render_document(
            path, leaderboard, records, methods or {}, view, options, tasks, suites, texts
        )
    else:
        contents = {path: _format_rows(path, rows_of_view(leaderboard, suites, view), exporters or {})}
    for file, content in contents.items():
        try:
            write_atomically(file, content)
        except OSError as error:
            raise ResultsError(file_problem(file, error, "write")) from error
    return list(contents)


def _format_rows(path: Path, table: ExportTable, exporters: Exporters) -> bytes:
    """Return the rows in the format of the extension; raise PluginError if a plugin's exporter fails."""
    extension = path.suffix.lower()
    if extension in WRITERS:
        return WRITERS[extension](table).encode()
    exporter = exporters[extension.removeprefix(".")]
    with blamed(f"{path}: the exporter '{extension}' of {exporter.by} failed", PluginError):
        content = exporter.record.write(table)
    if not isinstance(content, bytes):
        kind = type(content).__name__
        raise PluginError(f"{path}: the exporter '{extension}' of {exporter.by} returned {kind}, not bytes.")
    return content


def check_path(
    path: Path,
    table: str = "leaderboard",
    plot: str | None = None,
    exporters: Exporters | None = None,
    view: View = "overall",
) -> None:
    """Check that `table` can be exported to `path`.

    Raises UsageError for an unknown table, extension or plot, for a view that the file cannot show, and for a missing
    package. Raises PluginError if a plugin claims a built-in extension.
    """
    if table not in TABLES:
        raise unknown("table", table, TABLES)
    extension, builtin = path.suffix.lower(), dict.fromkeys([*WRITERS, *documents.EXTENSIONS])
    exporter = (exporters or {}).get(extension.removeprefix("."))
    if exporter is not None and extension in builtin:
        raise PluginError(
            f"'{extension}' is a format of matekd-bench itself, but {exporter.by} claims it too."
        )
    if exporter is not None:
        check_packages(f"the exporter '{extension}'", exporter.record)
        return
    allowed = list(builtin if table == "leaderboard" else WRITERS) + [
        f".{name}" for name in sorted(exporters or ())
    ]
    if extension not in allowed:
        problem = f"unknown extension '{path.suffix}'" if path.suffix else "no extension"
        target = f"the runs to {path}" if table == "runs" else f"to {path}"
        raise UsageError(f"cannot export {target}: {problem}; use one of {', '.join(allowed)}.")
    documents.check_view(path, view)
    documents.check_picture(path, plot)


def to_csv(table: ExportTable) -> str:
    """Format the rows as CSV with a header; missing values are empty, and no cell runs as a formula."""
    return csv_text(table.columns, table.rows)


def to_json(table: ExportTable) -> str:
    """Format the rows as a JSON list of objects with the same keys; missing values are null."""
    return json_text(table.rows, indent=1) + "\n"


def flat_markdown(table: ExportTable) -> str:
    """Format the rows as one Markdown table; columns without any value are left out."""
    shown = [column for column in table.columns if any(row[column] is not None for row in table.rows)]
    rows = ([_text(row[column]) for column in shown] for row in table.rows)
    return "\n".join(markdown_table([shown, *rows])) + "\n"


def _text(value: Value) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


WRITERS: Mapping[str, Callable[[ExportTable], str]] = {".csv": to_csv, ".json": to_json, ".md": flat_markdown}
