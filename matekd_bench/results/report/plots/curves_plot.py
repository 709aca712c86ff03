"""Draws learning curves: the score on dev at every evaluation, as mean and range over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTable, TaskColumn
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report.plots.canvas import (
    FAINT,
    Plot,
    add_legend,
    grid_shape,
    legend_heights,
    page_mark,
    panel_title,
    points,
    set_heading,
    short_label,
    width_of,
)
from matekd_bench.results.report.plots.method_styles import MethodStyle, method_styles

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure


@dataclass(frozen=True)
class Curve:
    """The evaluations of one row on one task: updates, and mean, lowest and highest score in points."""

    updates: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def curve(runs: Sequence[Record]) -> Curve | None:
    """Compute the curve of one cell's runs from the evaluations that all of them made; None for none.

    Runs without any evaluation are left out.
    """
    evaluated = [run for run in runs if run.curve]
    evaluations: dict[int, list[tuple[int, float]]] = {}  # number -> (update, score) of each run
    for run in evaluated:
        for evaluation in run.curve:
            evaluations.setdefault(evaluation.eval, []).append((evaluation.update, points(evaluation.score)))
    common = [pairs for _, pairs in sorted(evaluations.items()) if len(pairs) == len(evaluated)]
    if not common:
        return None
    scores = [[score for _, score in pairs] for pairs in common]
    return Curve(
        updates=tuple(fmean(update for update, _ in pairs) for pairs in common),
        mean=tuple(map(fmean, scores)),
        low=tuple(map(min, scores)),
        high=tuple(map(max, scores)),
    )


def _curves(table: LeaderboardTable) -> dict[tuple[str, str], Curve]:
    """Return the curves of the shown cells by row label and column name; cells without evaluations are left out."""
    return {
        (row.label, name): cell_curve
        for row in table.rows
        for name in table.shown_cells(row)
        if (cell_curve := curve(row.runs_by_column[name])) is not None
    }


def _columns_with_curves(
    table: LeaderboardTable, curves: Mapping[tuple[str, str], Curve]
) -> list[TaskColumn]:
    return [column for column in table.columns if any(name == column.name for _, name in curves)]


def _why_empty(table: LeaderboardTable) -> str | None:
    return None if _curves(table) else "no run has evaluations"


def _paint(part: SubFigure, table: LeaderboardTable) -> None:
    curves = _curves(table)
    columns = _columns_with_curves(table, curves)
    grid = part.subplots(*grid_shape(len(columns), width_of(part)), squeeze=False)
    for axes in grid.flat[len(columns) :]:
        axes.set_visible(False)
    styles = method_styles(table.rows)
    for axes, column in zip(grid.flat, columns, strict=False):
        _draw_panel(axes, table, column, curves, styles)
    band = "; band: lowest to highest seed" if table.seeds > 1 else ""
    part.supylabel("score on dev, points")
    legend: dict[str, Artist] = {}  # the panels together have one legend, with each label once
    for axes in grid.flat[: len(columns)]:
        handles, labels = axes.get_legend_handles_labels()
        legend |= dict(zip(labels, handles, strict=True))
    add_legend(part, list(legend.values()), list(legend), f"updates of the student{band}")


def _draw_panel(
    axes: Axes,
    table: LeaderboardTable,
    column: TaskColumn,
    curves: Mapping[tuple[str, str], Curve],
    styles: Mapping[str, MethodStyle],
) -> None:
    set_heading(axes, panel_title(column))
    if column.majority_score is not None:
        axes.axhline(points(column.majority_score), color=FAINT, linestyle=":", label="majority class")
    for row in table.rows:
        if (row_curve := curves.get((row.label, column.name))) is None:
            continue
        style = styles[row.label]
        axes.fill_between(
            row_curve.updates, row_curve.low, row_curve.high, color=style.color, alpha=0.15, linewidth=0,
            gid=page_mark(row),
        )  # fmt: skip
        axes.plot(
            row_curve.updates,
            row_curve.mean,
            color=style.color,
            marker=style.marker,
            markersize=3.5,
            linestyle=style.line,
            linewidth=1.4,
            label=short_label(row),
            gid=page_mark(row, *_values(row, row_curve)),
        )


def _values(row: LeaderboardRow, curve: Curve) -> list[str]:
    """Say what each marker of a curve stands for."""
    return [
        f"{row.label}, update {update:.0f}: {score:.1f}"
        for update, score in zip(curve.updates, curve.mean, strict=True)
    ]


def _height(table: LeaderboardTable, width: float) -> float:
    columns = _columns_with_curves(table, _curves(table))
    panel_rows, panel_columns = grid_shape(len(columns), width)
    beside, below = legend_heights(len(table.rows) + 1, width)
    panel = min(2.3, 0.75 * width / panel_columns)
    return max(panel * panel_rows + 0.5, beside) + below


PLOT = Plot(
    name="curves",
    title="Learning curves",
    caption="The score on dev at every evaluation against the student's updates: mean over seeds, and a band from the "
    "lowest to the highest.",
    why_empty=_why_empty,
    width=lambda table: 10.0,
    height=_height,
    paint=_paint,
)
