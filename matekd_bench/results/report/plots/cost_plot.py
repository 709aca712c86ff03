"""Score against cost: which methods nothing is both better and cheaper than."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTable
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report.plots.canvas import FAINT, Plot, color, marker, name_of, points, seeds_note

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

PETA = 1e15
LOGARITHMIC_FROM = 8  # times between the cheapest and the dearest


def pareto_front(places: Sequence[tuple[float, float]]) -> list[int]:
    """Which of `places` (cost, score) no other beats: as cheap or cheaper, as good or better, and not the same.

    In order of cost; of equal places all are on the front.
    """
    ordered = sorted(range(len(places)), key=lambda i: (places[i][0], -places[i][1], i))
    front: list[int] = []
    for i in ordered:
        if not front or places[i][1] > places[front[-1]][1] or places[i] == places[front[-1]]:
            front.append(i)
    return front


def _shown(table: LeaderboardTable) -> list[tuple[int, LeaderboardRow, float, float]]:
    """Place in the table, row, PFLOPs a run and score in points of the rows that have all of them."""
    return [
        (place, row, (row.cost.train_flops + row.cost.precompute_flops) / PETA, points(row.mean))
        for place, row in enumerate(table.rows)
        if row.cost is not None and row.mean is not None
    ]


def _absent(table: LeaderboardTable, runs: Sequence[Record]) -> str | None:
    return None if _shown(table) else "no method has a score on every informative task"


def _paint(part: SubFigure, table: LeaderboardTable, runs: Sequence[Record]) -> None:
    shown = _shown(table)
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
    for i, (place, row, cost, score) in enumerate(shown):
        label = f"{name_of(row)}{' (front)' * (i in front)}"
        filled = color(place) if row.ranked else "none"
        axes.plot(
            cost,
            score,
            marker(place),
            color=color(place),
            markerfacecolor=filled,
            markersize=7,
            linestyle="none",
            label=label,
        )
    axes.margins(0.08)
    axes.set_xlabel("PFLOPs of a run, training and preparation")
    tasks = len(table.informative)
    axes.set_ylabel(f"mean score over {tasks} tasks, points" if tasks > 1 else "score, points")
    part.legend(*axes.get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    if seeds_note(table):
        axes.set_title("few seeds: differences may be noise", loc="right", fontsize=8)


def _size(table: LeaderboardTable, runs: Sequence[Record]) -> tuple[float, float]:
    return 8.5, max(3.8, 0.21 * len(_shown(table)) + 1)


PLOT = Plot(
    name="cost",
    title="Score against cost",
    says="Each method's mean score over the informative tasks against the floating-point operations of a run. "
    "The dashed line joins the methods that no other beats in both.",
    absent=_absent,
    size=_size,
    paint=_paint,
)
