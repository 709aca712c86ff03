"""The plots of a page: what belongs to a row can be switched off, and has its values as titles."""

from __future__ import annotations

import re

import pytest

from exported import Study
from matekd_bench.results.report.html.html_plots import pictures
from matekd_bench.results.report.plots import PLOTS, draw
from matekd_bench.results.report.plots.svg import inline_element


@pytest.fixture(scope="module")
def drawn(done: Study) -> dict[str, str]:
    [table] = done.board.tables
    return {picture.plot: str(picture.svg) for picture in pictures(table) or ()}


def titles(svg: str, row: str) -> list[str]:
    groups = re.findall(rf'<g data-row="{re.escape(row)}">.*?</g>', svg, re.DOTALL)
    return [title for group in groups for title in re.findall("<title>(.*?)</title>", group)]


def test_values_of_a_row_are_titles(drawn: dict[str, str], done: Study) -> None:
    [table] = done.board.tables
    for row in table.rows:
        costs = titles(drawn["cost"], row.label)  # of the marker and of its interval
        assert costs
        assert [
            one for one in costs if not one.startswith(f"{row.label}: {100 * (row.mean or 0):.1f} points")
        ] == []
        assert len(titles(drawn["curves"], row.label)) >= len(table.columns)
    good = next(row for row in table.rows if row.label == "good")
    assert len(titles(drawn["heatmap"], "good")) == 2 * len(
        table.columns
    )  # the shape and the text of each cell
    assert any(f"{100 * (good.delta or 0):+.1f} [" in title for title in titles(drawn["forest"], "good"))
    assert titles(drawn["forest"], table.reference or "") == []


def test_each_marker_of_a_line_has_its_title() -> None:
    mark = '{"row": "a&lt;b", "values": ["1 &amp; 2", "3"]}'
    svg = (
        f"<svg><g id='{mark}'><path/><g clip-path='x'><use x='1'/><use x='2'/></g></g>"
        "<g id=\"legend_1\"><use x='3'/></g></svg>"
    )
    assert inline_element(svg, "p").partition(">")[2] == (
        "<g data-row=\"a&lt;b\"><path/><g clip-path='x'><use x='1'><title>1 &amp; 2</title></use>"
        "<use x='2'><title>3</title></use></g></g><g id=\"p-legend_1\"><use x='3'/></g></svg>"
    )


@pytest.mark.parametrize("name", PLOTS)
def test_files_have_no_marks(name: str, done: Study) -> None:
    text = draw(PLOTS[name], done.board, "svg").decode()
    assert "values" not in text
    assert "data-row" not in text
