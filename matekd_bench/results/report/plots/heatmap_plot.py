"""Draws a heat map of methods x tasks, colored by the difference to the reference or, without one, by the score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTable, ScoreCell
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report.cells import difference_cell, problems, task_heading, text
from matekd_bench.results.report.plots.canvas import INK, Plot, escape_dollars, points, short_label

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

MIN_RANGE = 1.0  # points; smaller differences must not get strong colors
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
    colors = image.to_rgba(numbers)
    headings = ["\n".join(task_heading(column)) for column in table.columns]
    axes.set_xticks(range(len(headings)), map(escape_dollars, headings))
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(rows)), [short_label(row) for row in rows])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for i, row in enumerate(rows):
        for j, column in enumerate(table.columns):
            text_color = INK if values[i][j] is None else _text_color(colors[i, j].tolist())
            said = _text(row.cells.get(column.name), differences)
            axes.text(j, i, said, ha="center", va="center", color=text_color, fontsize=8)
    label = escape_dollars(f"difference to {table.reference}, points") if differences else "score, points"
    part.colorbar(image, ax=axes, label=label, fraction=0.05)


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


def _size(table: LeaderboardTable, runs: Sequence[Record]) -> tuple[float, float]:
    return max(6.0, 0.75 * len(table.columns) + 3.6), 0.28 * len(_rows(table)) + 0.9


PLOT = Plot(
    name="heatmap",
    title="Methods by tasks",
    caption="The difference of each method to the reference on each task, in points; scores where there is no "
    "reference. ↑ better, ↓ worse, ≈ equivalent; a dash: nothing is compared there.",
    why_empty=_why_empty,
    size=_size,
    paint=_paint,
)
