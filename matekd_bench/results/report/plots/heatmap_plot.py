"""Draws a heat map of methods x tasks, colored by the difference to the reference or, without one, by the score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTable, ScoreCell, TaskColumn
from matekd_bench.results.report.cells import difference_cell, metric_heading, problems, task_heading, text
from matekd_bench.results.report.plots.canvas import (
    INK,
    LETTER_WIDTH,
    NARROW,
    Plot,
    difference_words,
    escape_dollars,
    font_size,
    page_mark,
    points,
    short_label,
    width_of,
)
from matekd_bench.results.report.sentences import has_differences

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import SubFigure

MIN_RANGE = 1.0  # points; smaller differences must not get strong colors
NAMES, NARROW_NAMES = 2.0, 1.1  # inches that the names of methods take
FADED = 0.7  # share of white over the color of an inconclusive or untested difference
WHITE_BELOW = 0.42  # luminance; on darker backgrounds white text is easier to read


def _value(cell: ScoreCell, differences: bool) -> float | None:
    value = cell.delta if differences else cell.mean
    return None if value is None else points(value)


def _rows(table: LeaderboardTable) -> list[LeaderboardRow]:
    """Return the rows that have any number to show."""
    differences = has_differences(table)
    return [
        row
        for row in table.rows
        if any(_value(cell, differences) is not None for cell in table.shown_cells(row).values())
    ]


def _why_empty(table: LeaderboardTable) -> str | None:
    return None if _rows(table) else "no run has a score"


def _paint(part: SubFigure, table: LeaderboardTable) -> None:
    """Draw each cell as a shape and a text of their own, so that the page can switch off their row."""
    from matplotlib.patches import Rectangle

    differences, rows = has_differences(table), _rows(table)
    scale = _color_scale(table, differences)
    axes = part.subplots()
    axes.grid(visible=False)
    for y, row in enumerate(rows):
        for x, column in enumerate(table.columns):
            if (cell := row.cells.get(column.name)) is None:
                continue
            color = _color(cell, differences, scale)
            mark = page_mark(row, _hover_text(row, cell, differences))
            if color is not None:
                axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, color=color, linewidth=0.5, gid=mark))
            said = _text(cell, differences)
            axes.text(
                x, y, said, ha="center", va="center", gid=mark,
                color=INK if color is None else _text_color(color),
                fontsize=_text_size(width_of(part), len(table.columns), said),
            )  # fmt: skip
    _label_axes(part, axes, table, rows)
    label = escape_dollars(f"difference to {table.reference}, points") if differences else "score, points"
    part.colorbar(scale, ax=axes, label=label, fraction=0.05, location="bottom")


def _color_scale(table: LeaderboardTable, differences: bool) -> ScalarMappable:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    known = (_value(cell, differences) for row in table.rows for cell in table.shown_cells(row).values())
    values = [value for value in known if value is not None]
    ends = Normalize(*_range(min(values), max(values), differences))
    # PuOr and cividis can be read with all common kinds of color blindness.
    return ScalarMappable(ends, "PuOr" if differences else "cividis")


def _color(cell: ScoreCell, differences: bool, scale: ScalarMappable) -> list[float] | None:
    """Return a cell's color (red, green, blue), None without a value.

    Differences that are inconclusive or not tested are faded.
    """
    import numpy as np

    if (value := _value(cell, differences)) is None:
        return None
    decided = cell.statistics.verdict in ("better", "worse", "equivalent")
    white = FADED if differences and not decided else 0.0
    [color] = scale.to_rgba(np.array([value]))
    return [part * (1 - white) + white for part in color[:3].tolist()]


def _hover_text(row: LeaderboardRow, cell: ScoreCell, differences: bool) -> str:
    if differences and cell.delta is not None:
        return difference_words(row, cell.delta, cell.statistics)
    return f"{row.label}: {' '.join(_text(cell, differences).split())}"


def _label_axes(part: SubFigure, axes: Axes, table: LeaderboardTable, rows: Sequence[LeaderboardRow]) -> None:
    """Write tasks with their metrics above the columns, and methods beside the rows."""
    headings = list(map(_heading, table.columns))
    crowded = _heading_width(headings, width_of(part)) > _cell_width(width_of(part), len(headings))
    axes.set_xticks(range(len(headings)), map(escape_dollars, headings), rotation=90 if crowded else 0)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(rows)), [short_label(row) for row in rows])
    axes.set_xlim(-0.5, len(headings) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
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


def _text(cell: ScoreCell, differences: bool) -> str:
    """Format one cell: the difference with the mark of its verdict, or the score, then counts of runs with problems."""
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


def _height(table: LeaderboardTable, width: float) -> float:
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
