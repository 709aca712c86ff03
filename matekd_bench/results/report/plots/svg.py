"""Turns matplotlib's SVG file into an element for a web page that holds several of them."""

from __future__ import annotations

import re

from matekd_bench.results.report.plots.canvas import INK

IDENTIFIER = re.compile(r'(\bid="|href="#|url\(#)([^")]+)')
HEAD = re.compile(r"^.*?(?=<svg\b)", re.DOTALL)  # XML declaration and document type
METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
SIZE = re.compile(r'(<svg\b[^>]*?) width="[^"]*"|(<svg\b[^>]*?) height="[^"]*"')


def inline_element(file: str, prefix: str) -> str:
    """Return the `<svg>` element of a file, with `prefix` on every id and INK replaced by the page's text color.

    The element takes its width from the page and keeps its proportions. It is hidden from screen readers, because
    the tables hold the same numbers and the page labels the element around it.
    """
    svg = METADATA.sub("", HEAD.sub("", file))
    svg = IDENTIFIER.sub(rf"\g<1>{prefix}-\g<2>", svg).replace(INK, "currentColor")
    for _ in range(2):  # width and height, in either order
        svg = SIZE.sub(r"\1\2", svg, count=1)
    return svg.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1).strip()
