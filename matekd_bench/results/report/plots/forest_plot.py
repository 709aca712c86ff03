"""Forest plot: differences to the reference with their intervals, over tasks and task by task."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTable, ScoreCell
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report.plots.canvas import (
    FAINT,
    INK,
    Plot,
    heading,
    literal,
    name_of,
    points,
    seeds_note,
    shape,
)
from matekd_bench.results.stats.verdicts import MARGIN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

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
    """One field of the plot: a title, and for every row what it shows there, None for nothing."""

    title: str
    marks: Mapping[str, LeaderboardRow | ScoreCell]


def _rows(table: LeaderboardTable) -> list[LeaderboardRow]:
    """The rows with any difference, in the table's order."""
    return [
        row
        for row in table.rows
        if row.delta is not None or any(cell.delta is not None for cell in row.cells.values())
    ]


def _fields(table: LeaderboardTable) -> Iterator[ForestPanel]:
    rows = _rows(table)
    overall = {row.label: row for row in rows if row.delta is not None}
    if overall and len(table.informative) > 1:
        yield ForestPanel(f"mean over {len(table.informative)} tasks", overall)
    for column in table.informative:
        cells = {row.label: row.cells[column.name] for row in rows if column.name in row.cells}
        marks = {label: cell for label, cell in cells.items() if cell.delta is not None}
        if marks:
            yield ForestPanel(column.name, marks)


def _absent(table: LeaderboardTable, runs: Sequence[Record]) -> str | None:
    return None if any(_fields(table)) else "no method has a difference to a control"


def _paint(part: SubFigure, table: LeaderboardTable, runs: Sequence[Record]) -> None:
    fields, rows = list(_fields(table)), _rows(table)
    grid = part.subplots(*shape(len(fields)), sharey=True, squeeze=False)
    for axes in grid.flat[len(fields) :]:
        axes.set_visible(False)
    for axes, field in zip(grid.flat, fields, strict=False):
        _field(axes, field, [row.label for row in rows])
    grid.flat[0].set_yticks(range(len(rows)), [name_of(row) for row in rows])
    grid.flat[0].set_ylim(len(rows) - 0.5, -0.5)
    intervals = "" if seeds_note(table) else "95 % intervals; "
    about = literal(f"difference to {table.reference}, points; {intervals}gray band: half a point")
    part.supxlabel(about, fontsize=9)
    _legend(part, {mark.verdict for field in fields for mark in field.marks.values()}, seeds_note(table))


def _field(axes: Axes, field: ForestPanel, labels: Sequence[str]) -> None:
    heading(axes, field.title)
    axes.axvspan(-points(MARGIN), points(MARGIN), color=FAINT, alpha=0.2, linewidth=0)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.grid(visible=False, axis="y")
    for height, label in enumerate(labels):
        if (mark := field.marks.get(label)) is None or mark.delta is None:
            continue
        sign, color = SIGNS[mark.verdict]
        if mark.delta_ci_lo is not None and mark.delta_ci_hi is not None:
            axes.hlines(height, points(mark.delta_ci_lo), points(mark.delta_ci_hi), color=color, linewidth=2)
        axes.plot(points(mark.delta), height, sign, color=color, markersize=6)


def _legend(part: SubFigure, seen: Collection[str | None], note: str) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], marker=sign, color=color, linestyle="none", label=verdict or "no verdict")
        for verdict, (sign, color) in SIGNS.items()
        if verdict in seen
    ]
    title = note or None
    part.legend(
        handles=handles,
        loc="outside upper right",
        ncols=len(handles),
        fontsize=8,
        title=title,
        title_fontsize=8,
    )


def _size(table: LeaderboardTable, runs: Sequence[Record]) -> tuple[float, float]:
    lines, _ = shape(len(list(_fields(table))))
    return 8.5, lines * (0.24 * len(_rows(table)) + 0.6) + 0.9


PLOT = Plot(
    name="forest",
    title="Differences to the reference",
    says="The difference of each method to the reference, over all informative tasks and on each, with 95 % intervals "
    "where there are three seeds or more. The sign says the verdict after Holm's correction.",
    absent=_absent,
    size=_size,
    paint=_paint,
)
