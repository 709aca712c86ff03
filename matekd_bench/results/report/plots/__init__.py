"""Draws the plots of a leaderboard (cost, forest, heatmap and curves) as PNG, SVG or PDF.

matplotlib (the extra `plots`) is imported only when a plot is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from matekd_bench.errors import UsageError, unknown
from matekd_bench.extras import missing_package
from matekd_bench.files.hashing import short_digest
from matekd_bench.results.leaderboard.table import LeaderboardTable, LeaderboardTables
from matekd_bench.results.report.plots import cost_plot, curves_plot, forest_plot, heatmap_plot
from matekd_bench.results.report.plots.canvas import Plot, draw_file

PLOTS: Mapping[str, Plot] = {
    plot.name: plot for plot in (cost_plot.PLOT, forest_plot.PLOT, heatmap_plot.PLOT, curves_plot.PLOT)
}
FORMATS = ("png", "svg", "pdf")


def available() -> bool:
    """Return True if matplotlib is installed."""
    return find_spec("matplotlib") is not None


def choose_plot(path: Path, name: str | None) -> Plot:
    """Return the plot called `name`, or, without a name, the plot that the file is named after, e.g. ``forest.svg``.

    Raises UsageError if there is no such plot, or if matplotlib is missing.
    """
    if not available():
        raise missing_package("a picture", "matplotlib")
    if name is not None:
        if name not in PLOTS:
            raise unknown("plot", name, PLOTS)
        return PLOTS[name]
    if path.stem in PLOTS:
        return PLOTS[path.stem]
    raise UsageError(
        f"{path}: no plot is named; there are {', '.join(PLOTS)}:",
        hint=f"use --plot {cost_plot.PLOT.name}, or name the file {cost_plot.PLOT.name}{path.suffix}.",
    )


def draw(
    plot: Plot,
    leaderboard: LeaderboardTables,
    file_format: str,
    *,
    width: float | None = None,
    title: bool = True,
) -> bytes:
    """Return the content of a picture file, with one panel per table, one below the other; empty tables are left out.

    `width` is in inches, by default the plot's own; `title` gives each panel one. Equal input gives equal bytes;
    matplotlib's own settings have no influence. Raises UsageError if the plot is empty for all tables.
    """
    tables = [table for table in leaderboard.tables if plot.why_empty(table) is None]
    if not tables:
        reasons = [reason for table in leaderboard.tables if (reason := plot.why_empty(table))]
        raise UsageError(
            f"the {plot.name} plot is empty: {reasons[0] if reasons else 'no runs are recorded'}."
        )
    return draw_file(plot, tables, file_format, width=width, title=title)


def draw_inline(plot: Plot, table: LeaderboardTable) -> str | None:
    """Draw the plot of one table as an SVG element for a web page; None if it is empty.

    Letters stay text, and everything drawn in INK takes the text color of the page.
    """
    from matekd_bench.results.report.plots.svg import inline_element

    if plot.why_empty(table) is not None:
        return None
    content = draw_file(plot, [table], "svg", for_page=True)
    return inline_element(content.decode(), prefix=f"{plot.name}-{short_digest(table.protocol_id, 8)}")
