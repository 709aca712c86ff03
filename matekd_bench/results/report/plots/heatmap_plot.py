"""Draws a heat map of methods x tasks, colored by the difference to the reference or, without one, by the score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTable, ScoreCell, TaskColumn
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report.cells import difference_cell, metric_heading, problems, task_heading, text
from matekd_bench.results.report.plots.canvas import (
    INK,
    LETTER_WIDTH,
    NARROW,
    Plot,
    escape_dollars,
    font_size,
    points,
    short_label,
    width_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

MIN_RANGE = 1.0  # points; smaller differences must not get strong colors
NAMES, NARROW_NAMES = 2.0, 1.1  # inches that the names of methods take
FADED = 0.7  # share of white over the color of an inconclusive or untested difference
WHITE_BELOW = 0.42  # luminance; on darker backgrounds white text is easier to read


def _has_differences(table: LeaderboardTable) -> bool:
    return any(cell.delta is not None for row in table.rows for cell in row.cells.values())


def _value(cell: ScoreCell | None, differences: bool) -> float | None:
    value = None if cell is None else cell.delta if differences else cell.mean
    return None if value is None else points(value)


def _rows(table: LeaderboardTable) -> list[LeaderboardRow]:
    """Return the rows that have any number to show."""
    differences = _has_differences(table)
    return [
        row for row in table.rows if any(_value(cell, differences) is not None for cell in row.cells.values())
    ]


def _why_empty(table: LeaderboardTable, runs: Sequence[Record]) -> str | None:
    return None if _rows(table) else "no run has a score"


def _paint(part: SubFigure, table: LeaderboardTable, runs: Sequence[Record]) -> None:
    import numpy as np

    differences, rows = _has_differences(table), _rows(table)
    values = [[_value(row.cells.get(column.name), differences) for column in table.columns] for row in rows]
    numbers = np.ma.masked_invalid(np.array(values, dtype=float))  # None becomes NaN, NaN masked
    low, high = _range(numbers.min(), numbers.max(), differences)
    axes = part.subplots()
    axes.grid(visible=False)
    # PuOr and cividis can be read with all common kinds of color blindness.
    image = axes.imshow(
        numbers, cmap="PuOr" if differences else "cividis", vmin=low, vmax=high, aspect="auto"
    )
    white = np.array(
        [[_white(row.cells.get(column.name), differences) for column in table.columns] for row in rows]
    )
    white[np.ma.getmaskarray(numbers)] = 0
    axes.imshow(np.dstack([np.ones((*white.shape, 3)), white]), aspect="auto")
    colors = image.to_rgba(numbers)[:, :, :3] * (1 - white[:, :, None]) + white[:, :, None]
    _label_axes(part, axes, table, rows)
    for i, row in enumerate(rows):
        for j, column in enumerate(table.columns):
            text_color = INK if values[i][j] is None else _text_color(colors[i, j].tolist())
            said = _text(row.cells.get(column.name), differences)
            size = _text_size(width_of(part), len(table.columns), said)
            axes.text(j, i, said, ha="center", va="center", color=text_color, fontsize=size)
    label = escape_dollars(f"difference to {table.reference}, points") if differences else "score, points"
    part.colorbar(image, ax=axes, label=label, fraction=0.05, location="bottom")


def _white(cell: ScoreCell | None, differences: bool) -> float:
    """Return the share of white over a cell: differences that are inconclusive or not tested are faded."""
    decided = cell is not None and cell.statistics.verdict in ("better", "worse", "equivalent")
    return FADED if differences and not decided else 0.0


def _label_axes(part: SubFigure, axes: Axes, table: LeaderboardTable, rows: Sequence[LeaderboardRow]) -> None:
    """Write tasks with their metrics above the columns, and methods beside the rows."""
    headings = list(map(_heading, table.columns))
    crowded = _heading_width(headings, width_of(part)) > _cell_width(width_of(part), len(headings))
    axes.set_xticks(range(len(headings)), map(escape_dollars, headings), rotation=90 if crowded else 0)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(rows)), [short_label(row) for row in rows])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _heading(task: TaskColumn) -> str:
    name, *marks = task_heading(task)
    return "\n".join(filter(None, (name, metric_heading(task), *marks)))


def _heading_width(headings: Sequence[str], width: float) -> float:
    """Estimate the width of the widest heading in inches, in a figure of `width` inches."""
    longest = max(len(line) for heading in headings for line in heading.splitlines())
    return LETTER_WIDTH * longest * font_size(width) / 72 + 0.05


def _cell_width(width: float, columns: int) -> float:
    """Estimate the width of a column in inches; the names of methods take the rest of the figure."""
    return (width - (NARROW_NAMES if width < NARROW else NAMES)) / columns


def _text_size(width: float, columns: int, text: str) -> float:
    """Return the size of letters with which a text fits into its cell."""
    longest = max(map(len, text.splitlines()), default=1)
    fitting = 72 * _cell_width(width, columns) / (LETTER_WIDTH * longest)
    return max(3.5, min(font_size(width) - 1, fitting))


def _range(low: float, high: float, differences: bool) -> tuple[float, float]:
    """Return the ends of the color scale; for differences it is symmetric around 0."""
    if not differences:
        return float(low), float(max(high, low + MIN_RANGE))
    limit = float(max(abs(low), abs(high), MIN_RANGE))
    return -limit, limit


def _text(cell: ScoreCell | None, differences: bool) -> str:
    """Format one cell: the difference with the mark of its verdict, or the score, then counts of runs with problems."""
    if cell is None:
        return ""
    shown = (
        difference_cell(cell.delta, cell.statistics).lines if differences else (text(cell.mean, "fraction"),)
    )
    return "\n".join((*shown, *problems(cell)))


def _text_color(background: Sequence[float]) -> str:
    """Return the color for readable text on a background (red, green, blue), by its ITU-R BT.709 luminance."""
    red, green, blue = background[:3]
    return "white" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < WHITE_BELOW else "black"


def _width(table: LeaderboardTable) -> float:
    column = max(0.75, _heading_width(list(map(_heading, table.columns)), NARROW))
    return max(6.0, column * len(table.columns) + NAMES)


def _height(table: LeaderboardTable, runs: Sequence[Record], width: float) -> float:
    return (0.28 if width >= NARROW else 0.22) * len(_rows(table)) + 1.6


PLOT = Plot(
    name="heatmap",
    title="Methods by tasks",
    caption="The difference of each method to the reference on each task, in points; scores if there is no reference. "
    "Inconclusive and untested differences are faded. ↑ better, ↓ worse, ≈ equivalent; a dash marks a cell without a "
    "comparison.",
    why_empty=_why_empty,
    width=_width,
    height=_height,
    paint=_paint,
)
