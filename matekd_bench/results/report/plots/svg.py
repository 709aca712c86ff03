"""Turns matplotlib's SVG file into an element for a web page that holds several of them."""

from __future__ import annotations

import html
import json
import re

from matekd_bench.results.report.plots.canvas import INK

IDENTIFIER = re.compile(r'(\bid="|href="#|url\(#)([^")]+)')
HEAD = re.compile(r"^.*?(?=<svg\b)", re.DOTALL)  # XML declaration and document type
METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
# A group, which `page_mark` may have named, or one of the markers of a line.
MARKED = re.compile(r"""<g id=(?P<quote>["'])(?P<mark>.*?)(?P=quote)>|<use\b(?P<place>[^>]*)/>""")
SIZE = re.compile(r'(<svg\b[^>]*?) width="[^"]*"|(<svg\b[^>]*?) height="[^"]*"')


def inline_element(file: str, prefix: str) -> str:
    """Return the `<svg>` element of a file, with `prefix` on every id and INK replaced by the page's text color.

    The element takes its width from the page and keeps its proportions. It is hidden from screen readers, because
    the tables hold the same numbers and the page labels the element around it. What `page_mark` named belongs to a
    row, and has its values as titles.
    """
    svg = _with_values(METADATA.sub("", HEAD.sub("", file)))
    svg = IDENTIFIER.sub(rf"\g<1>{prefix}-\g<2>", svg).replace(INK, "currentColor")
    for _ in range(2):  # width and height, in either order
        svg = SIZE.sub(r"\1\2", svg, count=1)
    return svg.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1).strip()


def _with_values(svg: str) -> str:
    """Replace the marks of `page_mark` by the name of the row and the titles that a browser shows."""
    values: list[str] = []  # those of the markers that follow

    def replaced(match: re.Match[str]) -> str:
        if match["place"] is not None:
            return f"<use{match['place']}>{_title(values.pop(0))}</use>" if values else match[0]
        values.clear()
        name = html.unescape(match["mark"])
        if not name.startswith("{"):
            return match[0]
        mark = json.loads(name)
        group = f'<g data-row="{html.escape(mark["row"])}">'
        if len(mark["values"]) == 1:
            return group + _title(mark["values"][0])
        values.extend(mark["values"])
        return group

    return MARKED.sub(replaced, svg)


def _title(text: str) -> str:
    return f"<title>{html.escape(text)}</title>"
