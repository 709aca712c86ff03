"""Draws the forest plot: differences to the reference with intervals, over all tasks and on each task."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTable
from matekd_bench.results.report.cells import bounds
from matekd_bench.results.report.plots.canvas import (
    FAINT,
    INK,
    NARROW,
    Plot,
    add_legend,
    difference_words,
    grid_shape,
    legend_heights,
    page_mark,
    panel_title,
    points,
    seeds_note,
    set_heading,
    short_label,
    width_of,
)
from matekd_bench.results.stats.summary import CellSummary, RowSummary
from matekd_bench.results.stats.verdicts import MARGIN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure
    from matplotlib.lines import Line2D

# Verdicts differ in shape as well as in color.
SIGNS: Mapping[str | None, tuple[str, str]] = {
    "better": ("^", "#0072B2"),
    "worse": ("v", "#D55E00"),
    "equivalent": ("s", "#009E73"),
    "inconclusive": ("o", FAINT),
    None: ("x", FAINT),
}


@dataclass(frozen=True)
class ForestPanel:
    """One panel of the plot: its title, and by row label the differences that it shows, with their statistics."""

    title: str
    marks: Mapping[str, tuple[float, CellSummary | RowSummary]]


def _rows(table: LeaderboardTable) -> list[LeaderboardRow]:
    """Return the rows with any difference over tasks or on a shown task, in the table's order."""
    return [
        row
        for row in table.rows
        if row.delta is not None or any(cell.delta is not None for cell in table.shown_cells(row).values())
    ]


def _panels(table: LeaderboardTable) -> Iterator[ForestPanel]:
    rows = _rows(table)
    overall = {row.label: (row.delta, row.overall) for row in rows if row.delta is not None}
    if overall and table.compared > 1:
        yield ForestPanel(f"mean over {table.tasks_of_means}", overall)
    for column in table.informative:
        cells = {row.label: row.cells[column.name] for row in rows if column.name in row.cells}
        marks = {
            label: (cell.delta, cell.statistics) for label, cell in cells.items() if cell.delta is not None
        }
        if marks:
            yield ForestPanel(panel_title(column), marks)


def _why_empty(table: LeaderboardTable) -> str | None:
    return None if any(_panels(table)) else "no method has a difference to a reference"


def _paint(part: SubFigure, table: LeaderboardTable) -> None:
    panels, rows = list(_panels(table)), _rows(table)
    grid = part.subplots(*grid_shape(len(panels), width_of(part)), sharey=True, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        _draw_panel(axes, panel, rows)
    grid.flat[0].set_yticks(range(len(rows)), [short_label(row) for row in rows])
    grid.flat[0].set_ylim(len(rows) - 0.5, -0.5)
    intervals = "" if seeds_note(table) else "95 % intervals; "
    axis_label = f"difference to {table.reference}, points; {intervals}gray band: half a point"
    verdicts = {mark.verdict for panel in panels for _, mark in panel.marks.values()}
    handles = _handles(verdicts)
    labels = [str(handle.get_label()) for handle in handles]
    add_legend(part, handles, labels, axis_label, note=seeds_note(table))


def _draw_panel(axes: Axes, panel: ForestPanel, rows: Sequence[LeaderboardRow]) -> None:
    set_heading(axes, panel.title)
    axes.axvspan(-points(MARGIN), points(MARGIN), color=FAINT, alpha=0.2, linewidth=0)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.grid(visible=False, axis="y")
    for y, row in enumerate(rows):
        if row.label not in panel.marks:
            continue
        delta, statistics = panel.marks[row.label]
        mark = page_mark(row, difference_words(row, delta, statistics))
        sign, color = SIGNS[statistics.verdict]
        low, high = bounds(statistics.difference)
        if low is not None and high is not None:
            axes.hlines(y, points(low), points(high), color=color, linewidth=2, gid=mark)
        axes.plot(points(delta), y, sign, color=color, gid=mark)


def _handles(verdicts: Collection[str | None]) -> list[Line2D]:
    """Return the entries of the legend for these verdicts."""
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], marker=sign, color=color, linestyle="none", label=verdict or "no verdict")
        for verdict, (sign, color) in SIGNS.items()
        if verdict in verdicts
    ]


def _height(table: LeaderboardTable, width: float) -> float:
    panel_rows, _ = grid_shape(len(list(_panels(table))), width)
    row_height = 0.24 if width >= NARROW else 0.18
    _, below = legend_heights(len(SIGNS), width)
    return panel_rows * (row_height * len(_rows(table)) + 0.6) + 0.9 + below


PLOT = Plot(
    name="forest",
    title="Differences to the reference",
    caption="The difference of each method to the reference over all informative tasks and on each task, with 95 % "
    "intervals for three or more seeds. The marker shows the verdict after Holm's correction.",
    why_empty=_why_empty,
    width=lambda table: 8.5,
    height=_height,
    paint=_paint,
)
