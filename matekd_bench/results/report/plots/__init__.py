"""Pictures of a leaderboard: cost, forest, heatmap and curves, as PNG, SVG or PDF.

matplotlib (the extra `plots`) is imported when a picture is drawn, never before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from matekd_bench.errors import UsageError, unknown
from matekd_bench.files.hashing import short_digest
from matekd_bench.results.leaderboard.table import Leaderboard, LeaderboardTable
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report.plots import cost_plot, curves_plot, forest_plot, heatmap_plot
from matekd_bench.results.report.plots.canvas import Plot, picture

PLOTS: Mapping[str, Plot] = {
    plot.name: plot for plot in (cost_plot.PLOT, forest_plot.PLOT, heatmap_plot.PLOT, curves_plot.PLOT)
}
FORMATS = ("png", "svg", "pdf")


def available() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def chosen(path: Path, name: str | None) -> Plot:
    """The plot called `name`, or without one that which the file is called after, e.g. ``forest_plot.svg``.

    Raises UsageError, naming the plots there are, or where matplotlib is missing.
    """
    if not available():
        raise UsageError(
            "pictures need matplotlib, which is not installed:", hint="pip install 'matekd-bench[plots]'."
        )
    if name is not None:
        if name not in PLOTS:
            raise unknown("plot", name, PLOTS)
        return PLOTS[name]
    if path.stem in PLOTS:
        return PLOTS[path.stem]
    raise UsageError(
        f"which plot is {path} to show? There are {', '.join(PLOTS)}:",
        hint=f"say --plot {cost_plot.PLOT.name}, or name the file {cost_plot.PLOT.name}{path.suffix}.",
    )


def draw(plot: Plot, leaderboard: Leaderboard, runs: Sequence[Record], file_format: str) -> bytes:
    """The picture as a file's content: a panel per table that has something to show, one below the other.

    `runs` are the records that the leaderboard was built from. Equal input gives equal bytes, whatever
    matplotlib's settings are. Raises UsageError where no table has anything to show.
    """
    tables = [table for table in leaderboard.tables if plot.absent(table, runs) is None]
    if not tables:
        reasons = [reason for table in leaderboard.tables if (reason := plot.absent(table, runs))]
        raise UsageError(
            f"there is no {plot.name} plot: {reasons[0] if reasons else 'no runs are recorded'}."
        )
    return picture(plot, tables, runs, file_format)


def inline(plot: Plot, table: LeaderboardTable, runs: Sequence[Record]) -> str | None:
    """The plot of one table as an SVG element for a web page, None where it has nothing to show.

    Text is text, and what is drawn in ink takes the page's own text color.
    """
    from matekd_bench.results.report.plots.svg import element

    if plot.absent(table, runs) is not None:
        return None
    content = picture(plot, [table], runs, "svg", for_page=True)
    return element(content.decode(), prefix=f"{plot.name}-{short_digest(table.protocol_id, 8)}")
