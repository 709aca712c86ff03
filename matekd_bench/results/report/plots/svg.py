"""From matplotlib's SVG file to an element that may stand in a web page beside others."""

from __future__ import annotations

import re

from matekd_bench.results.report.plots.canvas import INK

IDENTIFIER = re.compile(r'(\bid="|href="#|url\(#)([^")]+)')
HEAD = re.compile(r"^.*?(?=<svg\b)", re.DOTALL)  # XML declaration and document type
METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
SIZE = re.compile(r'(<svg\b[^>]*?) width="[^"]*"|(<svg\b[^>]*?) height="[^"]*"')


def element(file: str, prefix: str) -> str:
    """The `<svg>` element of a file, every id in it with `prefix`, ink in the color of the page's text.

    It takes its width from the page, keeps its proportions, and is hidden from screen readers: what it shows
    stands in the tables, and whoever places it gives it a name.
    """
    svg = METADATA.sub("", HEAD.sub("", file))
    svg = IDENTIFIER.sub(rf"\g<1>{prefix}-\g<2>", svg).replace(INK, "currentColor")
    for _ in range(2):  # width and height, in whatever order
        svg = SIZE.sub(r"\1\2", svg, count=1)
    return svg.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1).strip()
