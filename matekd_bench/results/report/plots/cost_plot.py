"""Draws score against cost, with the Pareto front of the methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTable
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report.plots.canvas import (
    FAINT,
    Plot,
    page_mark,
    points,
    row_color,
    row_marker,
    seeds_note,
    short_label,
)

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

PETA = 1e15
LOGARITHMIC_FROM = 8  # ratio of the highest to the lowest cost


def pareto_front(costs_and_scores: Sequence[tuple[float, float]]) -> list[int]:
    """Return the indices of the Pareto-optimal pairs (cost, score), in order of cost.

    A pair is on the front unless another one is at least as cheap and at least as good, and differs from it. Equal
    pairs are on the front together.
    """
    pairs = costs_and_scores
    ordered = sorted(range(len(pairs)), key=lambda i: (pairs[i][0], -pairs[i][1], i))
    front: list[int] = []
    for i in ordered:
        if not front or pairs[i][1] > pairs[front[-1]][1] or pairs[i] == pairs[front[-1]]:
            front.append(i)
    return front


def _points_to_draw(table: LeaderboardTable) -> list[tuple[int, LeaderboardRow, float, float]]:
    """Return index, row, PFLOPs per run and score in points of the rows that have a cost and a mean score."""
    return [
        (index, row, (row.cost.train_flops + row.cost.precompute_flops) / PETA, points(row.mean))
        for index, row in enumerate(table.rows)
        if row.cost is not None and row.mean is not None
    ]


def _why_empty(table: LeaderboardTable, runs: Sequence[Record]) -> str | None:
    return None if _points_to_draw(table) else "no method has a score on every informative task"


def _paint(part: SubFigure, table: LeaderboardTable, runs: Sequence[Record]) -> None:
    shown = _points_to_draw(table)
    axes = part.subplots()
    costs = [cost for _, _, cost, _ in shown]
    if min(costs) > 0 and max(costs) > LOGARITHMIC_FROM * min(costs):
        axes.set_xscale("log")
    front = pareto_front([(cost, score) for _, _, cost, score in shown])
    axes.step(
        [shown[i][2] for i in front],
        [shown[i][3] for i in front],
        where="post",
        color=FAINT,
        linestyle="--",
        zorder=1,
        label="Pareto front",
    )
    for i, (index, row, cost, score) in enumerate(shown):
        label = f"{short_label(row)}{' (front)' * (i in front)}"
        fill_color = row_color(index) if row.identity.ranked else "none"
        axes.plot(
            cost,
            score,
            row_marker(index),
            color=row_color(index),
            markerfacecolor=fill_color,
            markersize=7,
            linestyle="none",
            label=label,
            gid=page_mark(row, f"{row.label}: {score:.1f} points, {cost:.3g} PFLOPs"),
        )
    axes.margins(0.08)
    axes.set_xlabel("PFLOPs of a run, training and preparation")
    several = table.compared > 1
    axes.set_ylabel(f"mean score over {table.tasks_of_means}, points" if several else "score, points")
    part.legend(*axes.get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    if seeds_note(table):
        axes.set_title("few seeds: differences may be noise", loc="right", fontsize=8)


def _size(table: LeaderboardTable, runs: Sequence[Record]) -> tuple[float, float]:
    return 8.5, max(3.8, 0.21 * len(_points_to_draw(table)) + 1)


PLOT = Plot(
    name="cost",
    title="Score against cost",
    caption="Each method's mean score over the informative tasks against the floating-point operations of a run. "
    "The dashed line joins the methods that no other beats in both.",
    why_empty=_why_empty,
    size=_size,
    paint=_paint,
)
