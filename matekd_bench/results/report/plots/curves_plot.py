"""Learning curves: the score on dev at every evaluation, mean and range over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from matekd_bench.results.leaderboard.cell_runs import Members, members
from matekd_bench.results.leaderboard.table import Column, LeaderboardTable
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report.plots.canvas import (
    FAINT,
    Plot,
    color,
    heading,
    line,
    marker,
    name_of,
    points,
    shape,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure


@dataclass(frozen=True)
class Curve:
    """The evaluations of one row on one task: updates, then mean, lowest and highest score in points."""

    updates: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def curve(runs: Sequence[Record]) -> Curve | None:
    """The curve of one cell's runs, over those evaluations that every run with a score made; None for none."""
    scored = [run for run in runs if run.curve]
    evaluations: dict[int, list[tuple[int, float]]] = {}
    for run in scored:
        for evaluation in run.curve:
            evaluations.setdefault(evaluation.eval, []).append((evaluation.update, points(evaluation.score)))
    whole = [found for _, found in sorted(evaluations.items()) if len(found) == len(scored)]
    if not whole:
        return None
    scores = [[score for _, score in found] for found in whole]
    return Curve(
        updates=tuple(fmean(update for update, _ in found) for found in whole),
        mean=tuple(map(fmean, scores)),
        low=tuple(map(min, scores)),
        high=tuple(map(max, scores)),
    )


def _curves(table: LeaderboardTable, found: Members) -> dict[tuple[str, str], Curve]:
    return {place: one for place, runs in found.items() if (one := curve(runs)) is not None}


def _columns(table: LeaderboardTable, curves: Mapping[tuple[str, str], Curve]) -> list[Column]:
    return [column for column in table.columns if any(name == column.name for _, name in curves)]


def _absent(table: LeaderboardTable, runs: Sequence[Record]) -> str | None:
    return None if _curves(table, members(table, runs)) else "no run has evaluations"


def _paint(part: SubFigure, table: LeaderboardTable, runs: Sequence[Record]) -> None:
    curves = _curves(table, members(table, runs))
    columns = _columns(table, curves)
    grid = part.subplots(*shape(len(columns)), squeeze=False)
    for axes in grid.flat[len(columns) :]:
        axes.set_visible(False)
    for axes, column in zip(grid.flat, columns, strict=False):
        _field(axes, table, column, curves)
    band = "; band: lowest to highest seed" if table.seeds > 1 else ""
    part.supxlabel(f"updates of the student{band}", fontsize=9)
    part.supylabel("score on dev, points", fontsize=9)
    named: dict[str, Artist] = {}
    for axes in grid.flat[: len(columns)]:
        handles, labels = axes.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    part.legend(list(named.values()), list(named), loc="outside right upper", fontsize=8)


def _field(
    axes: Axes, table: LeaderboardTable, column: Column, curves: Mapping[tuple[str, str], Curve]
) -> None:
    heading(axes, column.name + (" (uninformative)" if column.uninformative else ""))
    if column.majority_score is not None:
        axes.axhline(points(column.majority_score), color=FAINT, linestyle=":", label="majority class")
    for place, row in enumerate(table.rows):
        if (one := curves.get((row.label, column.name))) is None:
            continue
        axes.fill_between(one.updates, one.low, one.high, color=color(place), alpha=0.15, linewidth=0)
        axes.plot(
            one.updates,
            one.mean,
            color=color(place),
            marker=marker(place),
            markersize=3.5,
            linestyle=line(place),
            linewidth=1.4,
            label=name_of(row),
        )


def _size(table: LeaderboardTable, runs: Sequence[Record]) -> tuple[float, float]:
    columns = _columns(table, _curves(table, members(table, runs)))
    lines, _ = shape(len(columns))
    return 10.0, max(2.3 * lines + 0.5, 0.19 * len(table.rows) + 1.0)


PLOT = Plot(
    name="curves",
    title="Learning curves",
    says="The score on dev at every evaluation against the student's updates: mean over seeds, and a band from the "
    "lowest to the highest.",
    absent=_absent,
    size=_size,
    paint=_paint,
)
