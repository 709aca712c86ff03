"""The web page: whole, escaped, the same every time; what it says without a browser."""

from __future__ import annotations

import re
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from exported import Study, board_of
from matekd_bench.methods.method import Method, Params
from matekd_bench.results.report import html, plots
from matekd_bench.results.report.export import export, to_csv
from matekd_bench.results.report.export_tables import rows_of_view, run_table
from matekd_bench.results.report.html import choices, page_files, to_html
from matekd_bench.results.report.html.method_cards import cards
from matekd_bench.results.report.html.study_title import study_title
from matekd_bench.results.report.latex import to_latex
from matekd_bench.results.report.sheets import Sheet, run_sheet, sheets_of_view

VOID = {"meta", "link", "input", "br"}
LINKS = ("https://arxiv.org/abs/2001.01234", "https://example.org/paper")
NASTY = "<script>alert('x')</script>&\"'"


class GoodParams(Params):
    rate: float = 0.5
    """How <much>."""


GOOD = Method(
    name="good",
    summary="A method & more.",
    factory=object,
    level="text",
    version="2",
    params=GoodParams,
    citation="Nobody 2020, arXiv:2001.01234, https://example.org/paper.",
)


class Outline(HTMLParser):
    """Tags in order; raises for one that is not closed. Keeps ids, links and what lies outside of the file."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.outside: list[str] = []
        self.described: list[str] = []
        self.files: dict[str, str] = {}
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.scripts += tag == "script"
        self.ids += [name for key, name in attrs if key == "id" and name]
        self.described += [name for key, name in attrs if key == "aria-describedby" and name]
        if name := values.get("download"):
            self.files[name] = b64decode((values.get("href") or "").partition("base64,")[2]).decode()
        elif tag == "a":
            self.links.append(values.get("href") or "")
        elif any(values.get(name) for name in ("src", "href")) and tag != "use":
            self.outside.append(values.get("src") or values.get("href") or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


@pytest.fixture(scope="module")
def page(done: Study) -> str:
    return to_html(done.board, done.runs, cards(done.board, {"good": GOOD}))


def test_the_page_is_whole_and_needs_nothing_else(page: str) -> None:
    found = outline(page)
    assert len(found.ids) == len(set(found.ids))
    assert found.outside == ["data:,"]  # no icon is asked for
    inner = {link.removeprefix("#") for link in found.links if link.startswith("#")}
    assert inner <= set(found.ids)
    assert [link for link in found.links if not link.startswith("#")] == list(LINKS)
    assert found.scripts == 1
    assert not re.search(r"url\((?!#)|@import|fetch\(|XMLHttp", page)
    assert "default-src 'none'" in page
    assert {"scores", "comparison", "costs", "plots", "curves", "settings"} <= set(found.ids)
    assert {"files", "methods", "runs"} <= set(found.ids)


def test_a_page_says_what_the_study_is_and_explains_its_headings(page: str, done: Study) -> None:
    found = outline(page)
    assert page.count(f">{study_title(done.board)}</") == 2  # the title and the first heading
    assert set(found.described) <= set(found.ids)
    [table] = done.board.tables
    headings = [key for _, sheet in sheets_of_view(table) for key in sheet.keys]
    assert len([name for name in found.described if not name.startswith("all-runs")]) == len(headings)
    assert re.search(r'<td class="[^"]*number" data-sort="0\.', page)


def test_a_page_carries_files(page: str, done: Study) -> None:
    files = outline(page).files
    assert files["leaderboard.csv"] == to_csv(rows_of_view(done.board, (), "overall"))
    assert files["leaderboard.tex"] == to_latex(done.board)
    assert files["leaderboard.bib"].startswith("@misc{matekd-bench,")


def test_a_page_is_one_file(done: Study) -> None:
    assert list(page_files(Path("b.html"), done.board, done.runs)) == [Path("b.html")]


@pytest.mark.parametrize("limit", ["MAX_RUNS", "MAX_BYTES"])
def test_the_runs_of_a_large_study_lie_beside_the_page(
    limit: str, done: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path("a b.html")
    monkeypatch.setattr(html, limit, len(done.runs) - 1)
    files = page_files(path, done.board, done.runs)
    table = run_table(done.runs)
    assert files[Path("a b-runs.csv")].decode() == to_csv(table)
    assert len(table.rows) == len(done.runs)
    found = outline(files[path].decode())
    assert "a%20b-runs.csv" in found.links
    assert not [name for name in found.ids if name.startswith("run-")]


def test_an_export_writes_all_files_of_a_page(
    done: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html, "MAX_RUNS", 1)
    path = tmp_path / "board.html"
    written = export(
        path, "leaderboard", done.runs, tasks={}, suites=(), leaderboard=done.board, methods={"good": GOOD}
    )
    assert written == [tmp_path / "board-runs.csv", path]
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["board-runs.csv", "board.html"]
    assert "eprint = {2001.01234}" in outline(path.read_text(encoding="utf-8")).files["leaderboard.bib"]


def test_every_run_has_its_card_on_the_page(page: str, done: Study) -> None:
    found = outline(page)
    for run in done.runs:
        assert found.links.count(f"#run-{run.run_id}") == 1
        assert f"run-{run.run_id}" in found.ids
        assert f"matekd-bench reproduce {run.run_id}" in page


def test_the_same_records_are_the_same_page(page: str, done: Study) -> None:
    again = cards(done.board, {"good": GOOD})
    assert to_html(done.board, done.runs[::-1], again) == page
    assert to_html(done.board, done.runs[1:], again) != page


def test_names_cannot_become_markup(make_record: Any) -> None:
    runs = [
        make_record(NASTY, protocol_id=NASTY, notices=[NASTY], reason=NASTY, score=None, source=NASTY),
        make_record("kd", protocol_id=NASTY, preset=NASTY),
        make_record(NASTY, seed=1, protocol_id=NASTY, params={NASTY: NASTY}),
    ]
    board = board_of(runs)
    page = to_html(board, runs, cards(board, {}))
    assert outline(page).scripts == 1
    assert ["alert(" in page, "<script>alert" in page] == [True, False]


def by_name(sheet: Sheet) -> dict[Any, dict[str, Any]]:
    """The cells of a sheet by the name of the row and the key of the column."""
    return {row[0].sort: dict(zip(sheet.keys, row, strict=True)) for row in sheet.rows}


def test_cells_sort_by_their_values_and_lead_to_their_cards(done: Study) -> None:
    [table] = done.board.tables
    sheets = dict(sheets_of_view(table, with_intervals=True))
    scores, comparison = by_name(sheets["scores"]), by_name(sheets["comparison"])
    good = next(row for row in table.rows if row.label == "good")
    name, cell = scores["good"]["method"], good.cells["sst2"]
    assert (name.lines, name.link, name.kind) == (("good *",), "method-good", "best")
    assert scores["good"]["sst2_mean"].sort == cell.mean
    assert scores["good"]["sst2_mean"].lines[1] == f"(+{100 * (cell.delta or 0):.1f} ↑)"
    assert re.fullmatch(r"\[\+\d+\.\d, \+\d+\.\d\]", scores["good"]["sst2_mean"].lines[2])
    assert (scores["good"]["delta"].sort, scores["kd"]["delta"].sort) == (good.delta, "")
    assert (comparison["good"]["verdict"].sort, comparison["bad"]["verdict"].sort) == ("better", "worse")
    assert choices(sheets["scores"]) is None
    index, values = choices(sheets["comparison"]) or (0, [])
    assert sheets["comparison"].keys[index] == "verdict"
    assert {"better", "worse"} <= set(values)


def test_the_table_of_runs(make_record: Any) -> None:
    sheet = run_sheet([make_record(score=0.5), make_record("eda", seed=3, score=None)], {"eda": "mine"})
    assert [entry.lines[0] for entry in sheet.rows[0][1:6]] == ["kd", "rte", "ok", "0", "50.0"]
    assert (sheet.rows[1][3].lines, sheet.rows[1][5].sort) == (("failed", "RuntimeError: out of memory"), "")
    assert sheet.rows[1][1].lines == ("mine",)
    assert choices(sheet) == (3, ["failed", "ok"])


def test_cards_come_from_records_and_from_what_is_installed(done: Study) -> None:
    found = {card.name: card for card in cards(done.board, {"good": GOOD, "unused": GOOD})}
    assert sorted(found) == ["bad", "good", "kd", "same"]
    good = found["good"]
    assert good.summary == "A method & more."
    facts = {("cite", GOOD.citation), ("recorded version", "1"), ("installed version", "2")}
    assert facts <= set(good.facts)
    assert (good.parameters, good.links) == ((("rate", "0.5", "", "How <much>."),), LINKS)
    assert "not installed here" in found["bad"].summary
    assert found["same"].variants == (("same[x=1]", "{}"),)


def test_without_matplotlib_a_sentence_stands_for_the_plots(
    done: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "find_spec", lambda name: None)
    page = to_html(done.board, done.runs)
    assert "<figure" not in page
    assert "matplotlib was not installed" in page
    assert "#method-" not in page  # no cards, no links to them


def test_several_protocols_are_said_to_be_no_comparison(make_record: Any) -> None:
    runs = [make_record(protocol_id="p1"), make_record(protocol_id="p2")]
    page = to_html(board_of(runs), runs)
    found = outline(page)
    assert len(found.ids) == len(set(found.ids))
    assert {"table-2", "scores", "table-2-scores", "settings", "table-2-settings"} <= set(found.ids)
    assert {link.removeprefix("#") for link in found.links if link.startswith("#")} <= set(found.ids)
    assert "Tables have different protocols and are not compared." in page
