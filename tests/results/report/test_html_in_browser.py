"""The web page in a real browser: sorting, filtering, cards, explanations, switches, accessibility, without scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import WIDTHS, Page, binary, violations
from exported import study
from matekd_bench.plugins.record_types import ExportTable
from matekd_bench.results.report.html import to_html
from matekd_bench.results.report.html.method_cards import cards
from matekd_bench.results.report.sheets import sheet_of_export

ROLES = frozenset(
    {"button", "link", "textbox", "searchbox", "combobox", "table", "image", "img", "dialog", "region"}
)
NAMES = "[...document.querySelectorAll('#scores-1 tbody tr:not([hidden]) th')].map(e => e.textContent)"
COMPARED = NAMES.replace("scores", "comparison")
OPENED = "document.querySelector('.record:target')?.id ?? null"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, write_study: Any) -> Path:
    binary()
    folder = tmp_path_factory.mktemp("page")
    done = study(folder / "study", write_study)
    path = folder / "board.html"
    [table] = done.board.tables
    row = {
        "uid": "rte-7",
        "sentence": "It rained & poured.",
        "label": "yes",
        "kd answers": "no 3",
        "good answers": "yes 3",
    }
    texts = {
        table.protocol_id: [
            sheet_of_export(ExportTable("disagreements", tuple(row), [row]), "good and kd on rte")
        ]
    }
    page = to_html(done.board, done.runs, cards(done.board, {}), texts=texts)
    path.write_text(page, encoding="utf-8")
    return path


@pytest.fixture
def opened(file: Path, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens the page in a browser of its own and closes that afterwards."""
    pages: list[Page] = []

    def start(**how: bool) -> Page:
        page = Page(tmp_path / f"profile{len(pages)}", **how)
        pages.append(page)
        page.open(file)
        return page

    yield start
    for page in pages:
        page.close()


def test_tables_are_sorted_and_filtered_and_cards_open(opened: Callable[..., Page]) -> None:
    page = opened()
    heading = "#scores-1 thead th:nth-child(3)"
    assert len(page.js(NAMES)) == 4
    page.click(f"{heading} button")
    scores = "[...document.querySelectorAll('#scores-1 tbody td:nth-child(3)')].map(e => +e.dataset.sort)"
    assert page.js(scores) == sorted(page.js(scores), reverse=True)
    assert page.js(NAMES)[0].startswith("good")
    assert page.js(f"document.querySelector('{heading}').ariaSort") == "descending"
    page.click(f"{heading} button")
    assert page.js(scores) == sorted(page.js(scores))
    assert page.js("document.querySelectorAll('#scores-1 [aria-sort]').length") == 1
    for _ in range(2):
        page.click("#scores-1 thead th:nth-child(4) button")
        assert page.js(NAMES)[-1].startswith("kd")  # the reference has no difference: last, whichever way

    page.click("form[data-for='scores-1'] input")
    page.write("goo")
    assert [name.split()[0] for name in page.js(NAMES)] == ["good"]
    assert page.js("document.querySelector('form[data-for=scores-1] output').textContent") == "1 of 4 rows"
    page.js("document.querySelector('form[data-for=scores-1]').reset(), 0")
    page.js(
        "(s => { s.value = 'worse'; s.dispatchEvent(new Event('input', {bubbles: true})); })"
        "(document.querySelector('form[data-for=comparison-1] select'))"
    )
    assert page.js(COMPARED) == ["bad"]

    link = page.js("document.querySelector('#all-runs tbody th a').hash")
    page.click("#all-runs tbody th a")
    assert page.js(OPENED) == link.removeprefix("#")
    command = page.js("document.querySelector('.record:target pre').textContent")
    assert f"#run-{command.split()[2]}" == link
    assert page.js("document.activeElement.id") == link.removeprefix("#")
    page.press("Escape")
    assert page.js(f"new Promise(r => setTimeout(() => r({OPENED}), 200))") is None
    assert page.js("document.activeElement.hash") == link
    assert page.nameless(ROLES) == []
    assert page.errors == []
    page.js("console.error('heard')")
    assert "heard" in page.errors[0]


def test_without_scripts_tables_stand_and_cards_open(opened: Callable[..., Page]) -> None:
    page = opened(scripts=False)
    assert len(page.js(NAMES)) == 4
    assert page.js("document.querySelectorAll('th button').length") == 0
    assert page.js("[...document.querySelectorAll('form')].every(e => e.getClientRects().length === 0)")
    page.click("#all-runs tbody th a")
    assert page.js("document.querySelector('.record:target pre').getClientRects().length") == 1
    page.click(".record:target .close")
    assert (page.js(OPENED), page.errors) == (None, [])


def test_headings_are_explained_to_pointers_and_keyboards(opened: Callable[..., Page]) -> None:
    page = opened()
    said = "document.getElementById('tip').hidden ? '' : document.getElementById('tip').textContent"
    heading = "document.querySelector('#scores-1 thead th:nth-child(3)')"
    about = page.js(f"document.getElementById({heading}.getAttribute('aria-describedby')).textContent")
    assert (page.js(said), "mean" in about) == ("", True)
    page.js(f"{heading}.querySelector('button').focus(), 0")
    assert page.js(said) == about
    page.press("Escape")
    assert page.js(said) == ""
    page.resize(768, 300)
    page.js("document.querySelector('#costs-1 thead th:last-child button').focus(), 0")
    place = "document.getElementById('tip').getBoundingClientRect()"
    wait = "new Promise(r => setTimeout(r, 300))"  # the focus scrolls the heading into view
    assert page.js(f"{wait}.then(() => {place}.top >= 0 && {place}.bottom <= innerHeight && {said} !== '')")
    assert page.js("scrollY") > 0
    page.press("Escape")
    page.js(f"{heading}.dispatchEvent(new PointerEvent('pointerenter')), 0")
    assert page.js(said) == about
    page.js(f"{heading}.dispatchEvent(new PointerEvent('pointerleave')), 0")
    assert page.js(said) == ""


def test_a_tap_explains_a_heading_and_sorts(opened: Callable[..., Page]) -> None:
    page = opened()
    page.resize(390)
    page.tap("#scores-1 thead th:nth-child(2) button")
    shown = "!document.getElementById('tip').hidden"
    sorts = "document.querySelectorAll('#scores-1 [aria-sort]').length"
    assert page.js(f"new Promise(r => setTimeout(() => r([{shown}, {sorts}]), 200))") == [True, 1]
    page.tap("h1")
    assert page.js(shown) is False


def test_methods_are_switched_off_in_the_plots(opened: Callable[..., Page]) -> None:
    page = opened()
    seen = "[...document.querySelectorAll('#plots [data-row=good]')].filter(e => e.getClientRects().length).length"
    before = page.js(seen)
    page.click("form.switches input[value=good]")
    assert (before > 3, page.js(seen)) == (True, 0)
    page.click("form.switches input[value=good]")
    assert page.js(seen) == before
    assert page.js("document.querySelector('#forest [data-row=good] title').textContent").startswith(
        "good: +"
    )
    assert "update" in page.js("document.querySelector('#curves [data-row=good] title').textContent")


def test_texts_on_which_methods_disagree_open(opened: Callable[..., Page]) -> None:
    page = opened()
    text = "document.querySelector('details.texts td:nth-child(2)')"
    assert page.js(f"{text}.checkVisibility()") is False
    page.click("details.texts summary")
    assert page.js(f"[{text}.checkVisibility(), {text}.textContent]") == [True, "It rained & poured."]
    assert page.js("document.querySelector('nav a[href=\"#texts\"]').textContent") == "Texts"


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_at_any_width(opened: Callable[..., Page], dark: bool) -> None:
    page = opened(dark=dark)
    for width in WIDTHS:
        page.resize(width)
        assert violations(page) == []
    page.js("document.querySelectorAll('details').forEach(e => { e.open = true }), 0")
    assert violations(page) == []
    page.js("location.hash = document.querySelector('#all-runs tbody th a').hash, 0")
    assert violations(page) == []  # with an open card


def test_the_first_score_is_on_the_first_screen_of_a_phone(opened: Callable[..., Page]) -> None:
    page = opened()
    page.resize(390, 844)
    assert page.js("scrollY") == 0
    assert page.js("document.querySelector('#scores-1 tbody td').getBoundingClientRect().bottom") < 844
    assert page.js("document.documentElement.scrollWidth") == 390
    scrolled = (
        "(e => { e.scrollBy(50, 60); const frame = e.getBoundingClientRect();"
        " const name = e.querySelector('tbody th').getBoundingClientRect();"
        " const heading = e.querySelector('thead th:last-child').getBoundingClientRect();"
        " return [e.scrollLeft, e.scrollTop, name.left - frame.left, heading.top - frame.top]; })"
        "(document.querySelector('#all-runs').parentNode)"
    )
    assert page.js(scrolled) == [50, 60, 0, 0]  # headings and names stay


CONTRAST = """
(() => {
  const light = c => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255)
    .map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]; };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  return [...document.querySelectorAll('p, th, td, small, a, figcaption, dt')].map(e => {
    const ink = light(getComputedStyle(e).color);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05); }).reduce((a, b) => Math.min(a, b));
})()
"""


@pytest.mark.parametrize("dark", [False, True])
def test_text_is_read_well_on_either_background(opened: Callable[..., Page], dark: bool) -> None:
    page = opened(dark=dark)
    paper = page.js("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(20, 23, 27)") is dark
    assert page.js(CONTRAST) >= 4.5  # WCAG 2.2, level AA
    assert page.js("getComputedStyle(document.querySelector('.plot svg text')).fill") == page.js(
        "getComputedStyle(document.body).color"
    )
    assert page.js("document.documentElement.scrollWidth <= innerWidth")  # wide tables scroll for themselves
