"""Pictures: what they show, the same bytes every time, fonts inside, and no trace on matplotlib's settings."""

from __future__ import annotations

import math
import re
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from exported import SUITES, Study, board_of
from matekd_bench.errors import UsageError
from matekd_bench.plugins.host import Host
from matekd_bench.results.leaderboard.build import build
from matekd_bench.results.leaderboard.evidence import Evidence
from matekd_bench.results.leaderboard.row_filters import select_rows_and_columns
from matekd_bench.results.leaderboard.table import LeaderboardTables
from matekd_bench.results.report import plots
from matekd_bench.results.report.cells import bounds
from matekd_bench.results.report.plots import PLOTS, canvas, heatmap_plot
from matekd_bench.results.report.plots.cost_plot import pareto_front
from matekd_bench.results.report.plots.curves_plot import Curve, curve
from matekd_bench.results.report.plots.method_styles import COLORS, KNOWN, MARKERS, MethodStyle, method_styles
from matekd_bench.results.report.plots.svg import inline_element
from matekd_bench.results.store.collection import read_folders

SVG = "{http://www.w3.org/2000/svg}"


def painted(name: str, done: Study) -> Figure:
    """A figure with one panel, for looking at what was drawn."""
    [table] = done.board.tables
    figure = Figure(figsize=(8, 4))
    [[part]] = figure.subfigures(1, 1, squeeze=False)
    PLOTS[name].paint(part, table)
    return figure


@pytest.fixture(scope="module")
def again(done: Study) -> LeaderboardTables:
    """The leaderboard of the same records in another order."""
    evidence = Evidence(read_folders([done.root]).stores)
    return build(done.runs[::-1], tasks={}, suites=SUITES, evidence=evidence)


def axes_of(figure: Figure) -> list[Any]:
    [part] = figure.subfigs
    return [axes for axes in part.axes if axes.get_visible()]


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.parametrize("file_format", plots.FORMATS)
def test_the_same_study_is_the_same_file(
    done: Study, again: LeaderboardTables, name: str, file_format: str
) -> None:
    first = plots.draw(PLOTS[name], done.board, file_format)
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9, "svg.hashsalt": "other"}):
        assert plots.draw(PLOTS[name], again, file_format) == first
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[file_format]
    assert first.startswith(start)
    assert re.search(rb"20\d\d-\d\d-\d\dT|CreationDate|Software|matplotlib\.org|Matplotlib v", first) is None
    if file_format == "pdf":
        assert b"/FontFile2" in first  # embedded, as TrueType
        assert b"/Type3" not in first
    if file_format == "svg":
        assert b"<text" not in first  # letters are outlines


def test_settings_and_pyplot_are_left_alone(done: Study) -> None:
    before = dict(mpl.rcParams)
    plots.draw(PLOTS["forest"], done.board, "svg")
    assert dict(mpl.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_the_cost_plot_shows_score_against_flops(done: Study) -> None:
    figure = painted("cost", done)
    [axes] = axes_of(figure)
    [table] = done.board.tables
    front, *marks = axes.lines
    shown = {line.get_label().removesuffix(" (front)"): line for line in marks}
    bars = {segment[0][0]: segment[:, 1] for lines in axes.collections for segment in lines.get_segments()}
    for row in table.rows:
        [x], [y] = shown[row.label].get_data()
        assert x == pytest.approx(row.cost.train_flops / 1e12)
        assert y == pytest.approx(100 * row.mean)
        low, high = bounds(row.overall.difference)
        assert (x in bars) is (low is not None) is (row.label != "kd")
        if x in bars:
            assert bars[x] - y == pytest.approx([100 * (low - row.delta), 100 * (high - row.delta)])
    assert axes.get_xscale() == "log"
    assert front.get_label() == "Pareto front"
    on_front = [line.get_label() for line in marks if "(front)" in line.get_label()]
    assert on_front == ["kd (front)", "good (front)"]  # bad is worse, same[x=1] dearer and not better
    assert "TFLOPs" in figure_texts(figure)


def figure_texts(figure: Figure) -> str:
    """All that is written in a figure."""
    return " ".join(text.get_text() for text in figure.findobj(Text))


def test_without_a_significant_difference_there_is_no_front(make_record: Any) -> None:
    runs = [
        make_record(name, score=score, train_flops=flops)
        for name, score, flops in (("kd", 0.7, 1), ("eda", 0.9, 2))
    ]
    [axes] = axes_of(painted("cost", Study(Path(), runs, board_of(runs))))
    assert [line.get_label() for line in axes.lines] == ["kd", "eda"]


@pytest.mark.parametrize(
    ("pairs", "front"),
    [
        ([(1, 5), (2, 4), (3, 8)], [0, 2]),
        ([(1, 5), (2, 6), (3, 8), (4, 9), (5, 11)], [0, 2, 4]),  # two points make a difference
        ([(3, 8), (1, 5), (1, 4)], [1, 0]),
        ([(2, 1)], [0]),
        ([], []),
    ],
)
def test_the_front_goes_on_where_a_method_is_significantly_better(
    pairs: list[tuple[float, float]], front: list[int]
) -> None:
    assert pareto_front(pairs, lambda i, j: pairs[i][1] >= pairs[j][1] + 2) == front


def test_a_filtered_view_says_that_means_are_over_all_tasks(done: Study) -> None:
    part = replace(done, board=select_rows_and_columns(done.board, None, "rte", SUITES))
    titles = [axes.get_title(loc="left") or axes.get_title() for axes in axes_of(painted("forest", part))]
    assert titles == ["mean over all 2 tasks", "rte (acc)"]
    assert axes_of(painted("cost", part))[0].get_ylabel() == "mean score over all 2 tasks, points"


def test_the_forest_shows_differences_with_their_intervals(done: Study) -> None:
    fields = axes_of(painted("forest", done))
    [table] = done.board.tables
    assert [axes.get_title(loc="left") or axes.get_title() for axes in fields] == [
        "mean over 2 tasks",
        "sst2 (acc)",
        "rte (acc)",
    ]
    names = [label.get_text() for label in fields[0].get_yticklabels()]
    assert names == [row.label for row in table.rows if row.identity.role != "reference"]
    rows = {row.label: row for row in table.rows}
    for axes, column in zip(fields, (None, "sst2", "rte"), strict=True):
        marks = {int(line.get_ydata()[0]): line for line in axes.lines if line.get_marker() != "None"}
        spans = [segment for lines in axes.collections for segment in getattr(lines, "get_segments", list)()]
        for height, name in enumerate(names):
            shown = rows[name] if column is None else rows[name].cells[column]
            statistics = rows[name].overall if column is None else rows[name].cells[column].statistics
            low, high = bounds(statistics.difference)
            assert marks[height].get_xdata()[0] == pytest.approx(100 * shown.delta)
            [span] = [one for one in spans if one[0][1] == height]
            assert span[:, 0] == pytest.approx([100 * low, 100 * high])
    signs = {name: marks[height].get_marker() for height, name in enumerate(names)}
    assert (signs["good"], signs["bad"]) == ("^", "v")
    assert fields[0].yaxis_inverted()  # the first row is on top


def test_the_heat_map_shows_differences_else_scores(done: Study) -> None:
    [table] = done.board.tables
    axes = axes_of(painted("heatmap", done))[0]
    texts = [text.get_text() for text in axes.texts]
    rows = [row for row in table.rows if row.label != "kd"]
    assert texts[0] == f"{100 * (rows[0].cells['sst2'].delta or math.nan):+.1f}" + " ↑"
    assert len(texts) == 2 * len(rows)
    [colors] = [axes for axes in axes_of(painted("heatmap", done)) if axes.get_label() == "<colorbar>"]
    low, high = colors.get_xlim()
    assert low == -high
    verdicts = [[row.cells[task].statistics.verdict for task in ("sst2", "rte")] for row in rows]
    assert {*verdicts[0], *verdicts[1], *verdicts[2]} >= {"better", "inconclusive"}
    faded = [min(patch.get_facecolor()[:3]) >= heatmap_plot.FADED for patch in axes.patches]
    assert faded == [verdict == "inconclusive" for line in verdicts for verdict in line]
    board = board_of(done.runs, reference=None)
    alone = axes_of(painted("heatmap", Study(done.root, done.runs, board)))[0]
    assert len(alone.texts) == 8
    assert all(re.fullmatch(r"\d+\.\d", text.get_text()) for text in alone.texts)


def test_the_heat_map_shows_the_rows_and_columns_of_the_view(done: Study) -> None:
    part = replace(done, board=select_rows_and_columns(done.board, "kd,bad", "rte", SUITES))
    axes = axes_of(painted("heatmap", part))[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["bad"]
    assert [label.get_text().split("\n")[0] for label in axes.get_xticklabels()] == ["rte"]
    assert len(axes.patches) == 1


def test_a_curve_is_the_mean_and_range_of_its_seeds(make_record: Any) -> None:
    def run(seed: int, scores: list[float]) -> Any:
        evaluations = [
            {"eval": k, "update": 10 * k, "score": score, "train_loss": None}
            for k, score in enumerate(scores, 1)
        ]
        return make_record(seed=seed, curve=evaluations)

    found = curve([run(0, [0.5, 0.6, 0.7]), run(1, [0.3, 0.8]), make_record(seed=2, score=None)])
    assert found == Curve((10, 20), (40, 70), (30, 60), (50, 80))  # the third evaluation is one seed's alone
    assert (curve([make_record(score=None)]), curve([])) == (None, None)


def test_the_curves_are_those_of_the_table(done: Study) -> None:
    [table] = done.board.tables
    fields = axes_of(painted("curves", done))
    [good] = [row for row in table.rows if row.label == "good"]
    assert [axes.get_title(loc="left") or axes.get_title() for axes in fields] == [
        "sst2 (acc)",
        "rte (acc)",
    ]
    for axes, column in zip(fields, ("sst2", "rte"), strict=True):
        lines = {line.get_label(): line for line in axes.lines}
        assert set(lines) == {"majority class", *(row.label for row in table.rows)}
        expected = curve(good.runs_by_column[column])
        assert tuple(lines["good"].get_ydata()) == expected.mean
        assert tuple(lines["good"].get_xdata()) == expected.updates


def test_members_are_told_apart_by_version_and_resources(make_record: Any) -> None:
    def used(resource: str) -> dict[str, Any]:
        return {"perturber": {"parameters": 0, "trainable": 0, "resources": {"thesaurus": resource}}}

    runs = [
        make_record("kd"),
        make_record("eda", **used("a")),
        make_record("eda", seed=1, **used("b")),
        make_record("new", method_version="1"),
        make_record("new", seed=1, method_version="2"),
        make_record("kd", protocol_id="other"),
    ]
    table = next(one for one in board_of(runs).tables if one.protocol_id == "p1")
    found = {
        (row.label, column): [run.run_id for run in those]
        for row in table.rows
        for column, those in row.runs_by_column.items()
    }
    assert found == {
        ("kd", "rte"): [runs[0].run_id],
        ("eda (thesaurus: a)", "rte"): [runs[1].run_id],
        ("eda (thesaurus: b)", "rte"): [runs[2].run_id],
        ("new v1", "rte"): [runs[3].run_id],
        ("new v2", "rte"): [runs[4].run_id],
    }


def test_curves_of_a_view_without_any_are_empty(make_record: Any) -> None:
    """sst2, which the view hides, has curves; all runs on rte failed."""
    runs = [make_record("kd", "rte", score=None), make_record("kd", "sst2")]
    part = select_rows_and_columns(board_of(runs), None, "rte", SUITES)
    with pytest.raises(UsageError, match="evaluations"):
        plots.draw(PLOTS["curves"], part, "svg")
    assert plots.draw_inline(PLOTS["curves"], part.tables[0]) is None


def svg_size(svg: bytes) -> tuple[float, float]:
    root = ET.fromstring(svg)
    return tuple(float(root.attrib[name].removesuffix("pt")) for name in ("width", "height"))


def test_several_protocols_are_several_panels(make_record: Any) -> None:
    runs = [
        make_record(m, protocol_id=p, score=s) for m, s in (("kd", 0.7), ("eda", 0.8)) for p in ("p1", "p2")
    ]
    one, two = (svg_size(plots.draw(PLOTS["cost"], board_of(some), "svg")) for some in (runs[::2], runs))
    assert two == (one[0], pytest.approx(2 * one[1]))


@pytest.mark.parametrize("name", PLOTS)
def test_a_picture_is_as_wide_as_asked_for_and_needs_no_title(done: Study, name: str) -> None:
    narrow, bare = (
        svg_size(plots.draw(PLOTS[name], done.board, "svg", width=3.3, title=title))
        for title in (True, False)
    )
    assert (narrow[0], bare[0]) == (pytest.approx(72 * 3.3), pytest.approx(72 * 3.3))
    assert 0.2 * 72 < narrow[1] - bare[1] < 0.6 * 72


@pytest.mark.parametrize("width", [3.3, 8.5])
@pytest.mark.parametrize("name", PLOTS)
def test_nothing_is_cut_off_or_covered(board: LeaderboardTables, name: str, width: float) -> None:
    [table] = board.tables
    with canvas.settings(width, for_page=False):
        figure = canvas.figure_of(PLOTS[name], [table], width, title=True)
        figure.draw_without_rendering()
    [part] = figure.subfigs
    panels = [axes.get_tightbbox() for axes in part.axes if axes.get_visible()]
    legends = [legend.get_window_extent() for legend in part.legends]
    for box in (*panels, *legends, part._suptitle.get_window_extent()):
        assert -1 < box.x0 < box.x1 < figure.bbox.x1 + 1
        assert -1 < box.y0 < box.y1 < figure.bbox.y1 + 1
    assert [box for legend in legends for box in panels if legend.overlaps(box)] == []


def test_titles_have_seeds_and_partial_data(board: LeaderboardTables) -> None:
    [table] = board.tables
    for plot in PLOTS.values():
        title = canvas.title_of(plot, table, 8.5)
        assert "3 seeds" in title
        assert "partial data: cola" in title


def test_a_method_always_looks_the_same(make_record: Any) -> None:
    def styles(*names: str) -> dict[str, MethodStyle]:
        [table] = board_of([make_record(name, score=0.5) for name in names], reference=None).tables
        return method_styles(table.rows)

    several = styles(*KNOWN, "mine", "kd@2x", "eda[alpha=0.2]")
    assert len({(style.color, style.marker) for style in several.values()}) == len(several)
    for name, style in several.items():
        assert styles(name) == {name: style}
    assert several["eda[alpha=0.2]"].color == several["eda"].color


def test_the_list_of_styles_has_every_built_in_method() -> None:
    host = Host.load(only_builtin=True)
    assert set(host.methods) <= set(KNOWN)
    assert len(set(KNOWN)) == len(KNOWN) <= len(COLORS) * len(MARKERS)


@pytest.mark.parametrize(
    ("largest", "unit"),
    [(12, "FLOPs"), (2e9, "GFLOPs"), (9e14, "TFLOPs"), (1e15, "PFLOPs"), (5e18, "EFLOPs")],
)
def test_costs_have_a_unit_of_their_size(largest: float, unit: str) -> None:
    name, size = canvas.flops_unit(largest)
    assert (name, 1 <= largest / size < 1000) == (unit, True)


def test_an_element_fits_into_a_page_beside_others(done: Study, make_record: Any) -> None:
    [table] = done.board.tables
    elements = [plots.draw_inline(plot, table) for plot in PLOTS.values()]
    identifiers: list[str] = []
    for text in elements:
        root = ET.fromstring(text)
        assert (root.tag, root.attrib["aria-hidden"]) == (f"{SVG}svg", "true")
        assert {"width", "viewBox"} & set(root.attrib) == {"viewBox"}
        assert canvas.INK not in text
        own = re.findall(r'\bid="([^"]+)"', text)
        used = re.findall(r'(?:href="#|url\(#)([^")]+)', text)
        assert set(used) <= set(own)
        identifiers += own
    assert len(identifiers) == len(set(identifiers))
    assert "currentColor" in (elements[1] or "")
    nasty = make_record("<b>&$x$\"'", protocol_id='"><script>alert(1)</script>')
    [table] = board_of([nasty, make_record("kd", protocol_id=nasty.identity.protocol_id)]).tables
    text = plots.draw_inline(PLOTS["cost"], table) or ""
    ET.fromstring(text)
    assert not [tag for tag in ("<script", "<b>") if tag in text]


def test_width_and_height_are_the_pages() -> None:
    head = '<?xml version="1.0"?><!DOCTYPE svg>\n'
    svg = f'{head}<svg height="2pt" viewBox="0 0 1 2" width="1pt"><metadata>x</metadata></svg>'
    assert inline_element(svg, "p") == '<svg aria-hidden="true" focusable="false" viewBox="0 0 1 2"></svg>'


def test_nothing_to_show_is_an_error_of_one_line(make_record: Any) -> None:
    runs = [make_record("kd", score=None)]
    for name, reason in (
        ("cost", "score"),
        ("forest", "difference"),
        ("heatmap", "score"),
        ("curves", "evaluations"),
    ):
        with pytest.raises(UsageError, match=f"the {name} plot is empty: .*{reason}"):
            plots.draw(PLOTS[name], board_of(runs), "png")
    with pytest.raises(UsageError, match="no runs are recorded"):
        plots.draw(PLOTS["cost"], LeaderboardTables(()), "png")


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"matplotlib.*pip install 'matekd-bench\[plots\]'"):
        plots.choose_plot(Path("forest.svg"), None)
