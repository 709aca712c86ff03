"""The leaderboard as one web page that needs no network: tables, plots, method cards and every record."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from matekd_bench.files.hashing import lines_digest
from matekd_bench.results.leaderboard.table import Leaderboard
from matekd_bench.results.records.run_record import Record, to_json
from matekd_bench.results.report import wording
from matekd_bench.results.report.html.html_plots import pictures
from matekd_bench.results.report.html.html_tables import cost_grid, run_grid, score_grid
from matekd_bench.results.report.html.method_cards import MethodCard

HERE = Path(__file__).parent


def to_html(leaderboard: Leaderboard, runs: Sequence[Record], cards: Sequence[MethodCard] = ()) -> str:
    """The page: `runs` are the records that `leaderboard` was built from, `cards` describe its methods.

    Everything is in the one file. Without JavaScript its tables are plain and its records open all the same; with it
    tables are sorted and filtered. Texts are escaped. Without matplotlib a sentence stands for the plots.
    Equal input gives equal bytes.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    ordered = sorted(runs, key=lambda run: run.run_id)
    sections = [
        {
            "table": table,
            "title": wording.title(table),
            "scores": score_grid(table),
            "costs": cost_grid(table),
            "reading": wording.reading(table),
            "data": [wording.data_line(column, table) for column in table.columns],
            "remarks": list(wording.remarks(table)),
            "pictures": pictures(table, ordered),
        }
        for table in leaderboard.tables
    ]
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("style.css", "script.js"))
    return environment.get_template("page.html").render(
        sections=sections,
        between=wording.between(leaderboard.tables),
        differences=list(wording.protocol_lines(leaderboard)),
        cards=cards,
        runs=run_grid(ordered),
        records=[(run.run_id, to_json(run)) for run in ordered],
        digest=lines_digest(map(to_json, ordered))[:16],
        anchors={f"method-{card.name}" for card in cards} | {f"run-{run.run_id}" for run in ordered},
        style=Markup(style),
        script=Markup(script),
        script_hash=f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}",
    )
