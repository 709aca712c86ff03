"""Renders the leaderboard as one self-contained web page: tables, plots, and cards of methods and runs."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

from matekd_bench.extras import install_command
from matekd_bench.files.csv_text import csv_text
from matekd_bench.files.hashing import canonical, lines_digest
from matekd_bench.results.leaderboard.table import LeaderboardTable, LeaderboardTables
from matekd_bench.results.records.run_record import Record, to_json
from matekd_bench.results.report import sentences
from matekd_bench.results.report.export_tables import run_table
from matekd_bench.results.report.html.downloads import Citations, downloads
from matekd_bench.results.report.html.html_plots import pictures
from matekd_bench.results.report.html.method_cards import MethodCard
from matekd_bench.results.report.html.run_cards import run_card
from matekd_bench.results.report.html.run_curve import HEIGHT, WIDTH
from matekd_bench.results.report.html.study_title import study_title
from matekd_bench.results.report.result_sentence import result
from matekd_bench.results.report.sheets import Sheet, View, names_in, run_sheet, sheets_of_view
from matekd_bench.tasks.task import Suite

HERE = Path(__file__).parent
CAPTIONS = {
    "scores": "Scores",
    "comparison": "Comparison over tasks",
    "costs": "Cost, mean of a run",
    "diagnostics": "Diagnostics",
}
CHOICES = ("verdict", "status")  # columns to filter by
MAX_RUNS = 1000  # that a page lists
MAX_BYTES = 5_000_000  # of a page that lists runs
NO_CITATIONS = Citations({}, {})


def page_files(
    path: Path,
    leaderboard: LeaderboardTables,
    runs: Sequence[Record],
    cards: Sequence[MethodCard] = (),
    view: View = "overall",
    suites: Sequence[Suite] = (),
    citations: Citations = NO_CITATIONS,
    texts: Mapping[str, Sequence[Sheet]] = MappingProxyType({}),
) -> dict[Path, bytes]:
    """Return the files of the page `path`: the page alone or, if the runs would make it too large, a CSV with them too.

    The other arguments are those of `to_html`.
    """
    if len(runs) <= MAX_RUNS:
        page = to_html(leaderboard, runs, cards, view, suites, citations, texts).encode()
        if len(page) <= MAX_BYTES:
            return {path: page}
    beside = path.with_name(f"{path.stem}-runs.csv")
    table = run_table(runs)
    page = to_html(leaderboard, runs, cards, view, suites, citations, texts, runs_file=beside.name).encode()
    return {beside: csv_text(table.columns, table.rows).encode(), path: page}


def to_html(
    leaderboard: LeaderboardTables,
    runs: Sequence[Record],
    cards: Sequence[MethodCard] = (),
    view: View = "overall",
    suites: Sequence[Suite] = (),
    citations: Citations = NO_CITATIONS,
    texts: Mapping[str, Sequence[Sheet]] = MappingProxyType({}),
    runs_file: str | None = None,
) -> str:
    """Render the page with the tables of a view.

    `runs` are the records that `leaderboard` was built from, `cards` describe its methods. `suites` and `citations` are
    for the files that the page carries, and `texts` are the tables of texts on which methods disagree, by protocol. The
    page links to `runs_file` instead of listing the runs.

    All texts are escaped. JavaScript only adds sorting, filtering, explanations and switches.
    Without matplotlib, a sentence replaces the plots. Equal input gives equal bytes.
    """
    from markupsafe import Markup

    ordered = sorted(runs, key=lambda run: run.run_id)
    listed = ordered if runs_file is None else []
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("style.css", "script.js"))
    names = names_in(leaderboard.tables)
    sections = [
        {
            **_section(table, view),
            "pictures": pictures(table),
            "texts": texts.get(table.protocol_id, ()),
        }
        for table in leaderboard.tables
    ]
    return _rendered(
        "page.html", leaderboard, sections,
        cards=cards,
        title=study_title(leaderboard),
        count=len(ordered),
        runs_file=runs_file,
        runs=run_sheet(listed, names),
        choices=choices,
        run_cards=[run_card(run, names) for run in listed],
        sizes={"width": WIDTH, "height": HEIGHT},
        files=downloads(leaderboard, suites, view, citations) if leaderboard.tables else [],
        digest=lines_digest(map(to_json, ordered))[:16],
        anchors={f"method-{card.name}" for card in cards} | {f"run-{run.run_id}" for run in listed},
        style=Markup(style),
        script=Markup(script),
        script_hash=f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}",
    )  # fmt: skip


def tables_html(leaderboard: LeaderboardTables, view: View = "overall") -> str:
    """Render the tables of a view for a notebook: those of the page, with their sentences, without its scripts."""
    sections = [_section(table, view) for table in leaderboard.tables]
    return _rendered("tables.html", leaderboard, sections, anchors=frozenset())


def _section(table: LeaderboardTable, view: View = "overall") -> dict[str, Any]:
    """Return what the page says of one table: title, tables, how to read them, data and remarks."""
    return {
        "table": table,
        "title": sentences.title(table),
        "result": result(table),
        "sheets": list(sheets_of_view(table, view, with_intervals=True)),
        "how_to_read": sentences.how_to_read(table),
        "data": [sentences.data_line(column, table) for column in table.columns],
        "remarks": list(sentences.remarks(table)),
        "settings": list(_flat(table.settings)),
    }


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield names and values of nested settings."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else canonical(value)


def _rendered(
    template: str, leaderboard: LeaderboardTables, sections: Sequence[Mapping[str, Any]], **values: Any
) -> str:
    """Render a template, in which every text is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(
        sections=sections,
        several_tables_note=sentences.several_tables_note(leaderboard.tables),
        differences=list(sentences.protocol_lines(leaderboard)),
        captions=CAPTIONS,
        install_plots=install_command("matplotlib"),
        **values,
    )


def choices(sheet: Sheet) -> tuple[int, list[str]] | None:
    """Return the index and the values of the column to filter by; None if there is none, or only one value."""
    for index, key in enumerate(sheet.keys):
        if key in CHOICES:
            values = sorted({str(row[index].sort) for row in sheet.rows} - {""})
            return (index, values) if len(values) > 1 else None
    return None
