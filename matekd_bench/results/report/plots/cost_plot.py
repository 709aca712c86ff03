"""Draws score against cost, with the Pareto front of the methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTable
from matekd_bench.results.report.cells import bounds
from matekd_bench.results.report.plots.canvas import (
    FAINT,
    Plot,
    add_legend,
    flops_unit,
    legend_heights,
    page_mark,
    panel_title,
    points,
    seeds_note,
    short_label,
)
from matekd_bench.results.report.plots.method_styles import MethodStyle, method_styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

LOGARITHMIC_FROM = 8  # ratio of the highest to the lowest cost


@dataclass(frozen=True)
class CostPoint:
    """One row of the plot: the FLOPs of a run, and its mean score in points.

    `ends` are the 95 % interval of its difference to the reference, put around the score; None without one.
    """

    row: LeaderboardRow
    flops: float
    score: float
    ends: tuple[float, float] | None


def pareto_front(
    costs_and_scores: Sequence[tuple[float, float]], is_better: Callable[[int, int], bool]
) -> list[int]:
    """Return the indices of the pairs (cost, score) on the front, in order of cost.

    The cheapest pair is on it (of equal costs the highest score), then each that is significantly better than the one
    before: `is_better(i, j)`.
    """
    pairs = costs_and_scores
    front: list[int] = []
    for i in sorted(range(len(pairs)), key=lambda i: (pairs[i][0], -pairs[i][1], i)):
        if not front or is_better(i, front[-1]):
            front.append(i)
    return front


def _points_to_draw(table: LeaderboardTable) -> list[CostPoint]:
    """Return the rows that have a cost and a mean score."""
    return [
        CostPoint(row, row.cost.flops, points(row.mean), _ends(row, row.mean))
        for row in table.rows
        if row.cost is not None and row.mean is not None
    ]


def _ends(row: LeaderboardRow, mean: float) -> tuple[float, float] | None:
    low, high = bounds(row.overall.difference)
    if low is None or high is None or row.delta is None:
        return None
    return points(mean + low - row.delta), points(mean + high - row.delta)


def _front(shown: Sequence[CostPoint]) -> list[int]:
    """Return the indices of the rows on the front; none if no row is significantly better than a cheaper one."""

    def is_better(i: int, j: int) -> bool:
        rank = shown[i].row.overall.rank
        return rank is not None and shown[j].row.label in rank.worse

    front = pareto_front([(point.flops, point.score) for point in shown], is_better)
    return front if len(front) > 1 else []


def _why_empty(table: LeaderboardTable) -> str | None:
    return None if _points_to_draw(table) else "no method has a score on every informative task"


def _paint(part: SubFigure, table: LeaderboardTable) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    shown = _points_to_draw(table)
    axes = part.subplots()
    unit, size = flops_unit(max(point.flops for point in shown))
    costs = [point.flops / size for point in shown]
    if min(costs) > 0 and max(costs) > LOGARITHMIC_FROM * min(costs):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    front = _front(shown)
    if front:
        _draw_front(axes, [(costs[i], shown[i].score) for i in front])
    styles = method_styles(table.rows)
    for i, point in enumerate(shown):
        mark = page_mark(point.row, f"{point.row.label}: {point.score:.1f} points, {costs[i]:.3g} {unit}")
        _draw_point(axes, point, costs[i], styles[point.row.label], mark, on_front=i in front)
    axes.margins(0.08)
    scored = [panel_title(column) for column in table.columns if not column.uninformative]
    of_tasks = scored[0] if table.compared == len(scored) == 1 else f"mean score over {table.tasks_of_means}"
    axes.set_ylabel(f"{of_tasks}, points")
    if seeds_note(table):
        axes.set_title("few seeds: differences may be noise", loc="right")
    bars = f"; bars: 95 % intervals of the difference to {table.reference}"
    x_label = f"{unit} of a run, training and preparation{bars * any(point.ends for point in shown)}"
    add_legend(part, *axes.get_legend_handles_labels(), x_label)


def _draw_front(axes: Axes, corners: Sequence[tuple[float, float]]) -> None:
    costs, scores = zip(*corners, strict=True)
    axes.step(
        costs, scores, where="post", color=FAINT, linestyle="--", marker="", zorder=1, label="Pareto front"
    )


def _draw_point(
    axes: Axes, point: CostPoint, cost: float, style: MethodStyle, mark: str, *, on_front: bool
) -> None:
    if point.ends:
        axes.vlines(cost, *point.ends, color=style.color, linewidth=1.2, alpha=0.6, gid=mark)
    axes.plot(
        cost,
        point.score,
        style.marker,
        color=style.color,
        markerfacecolor=style.color if point.row.identity.ranked else "none",
        linestyle="none",
        label=f"{short_label(point.row)}{' (front)' * on_front}",
        gid=mark,
    )


def _height(table: LeaderboardTable, width: float) -> float:
    beside, below = legend_heights(len(_points_to_draw(table)) + 1, width)
    return max(0.42 * width, 2.2, beside) + below


PLOT = Plot(
    name="cost",
    title="Score against cost",
    caption="Each method's mean score over the informative tasks against the floating-point operations of a run. Bars "
    "are 95 % intervals of the difference to the reference. The dashed line, if there is one, joins the cheapest "
    "method and each method that is significantly better than the one before it.",
    why_empty=_why_empty,
    width=lambda table: 8.5,
    height=_height,
    paint=_paint,
)
