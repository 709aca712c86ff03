"""Descriptive numbers beside the tests: no claim rests on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from matekd_bench.results.stats.differences import RowScores
from matekd_bench.results.stats.intervals import MIN_SEEDS, NEGLIGIBLE

TRIM = 0.25  # of each end: what is left is the interquartile mean

Pair = tuple[RowScores, RowScores]  # a row and the reference, on one task


def probability_of_improvement(pairs: Sequence[Pair]) -> float | None:
    """The chance that a run of the row scores higher than a run of the reference, mean over tasks, ties half.

    All runs against all (Agarwal et al. 2021, the Mann-Whitney statistic); None where there is nothing to pair.
    """
    tasks = [
        fmean([(x > y) + (x == y) / 2 for x in own.scores.values() for y in other.scores.values()])
        for own, other in pairs
        if own.scores and other.scores
    ]
    return fmean(tasks) if tasks else None


def trimmed_mean(pairs: Sequence[Pair], trim: float = TRIM) -> float | None:
    """The mean of the runs' differences at equal seeds over all tasks, without the `trim` at either end."""
    differences = sorted(x - y for own, other in pairs for x, y in _common(own, other))
    cut = int(trim * len(differences))
    kept = differences[cut : len(differences) - cut]
    return fmean(kept) if kept else None


def tasks_won(pairs: Sequence[Pair]) -> int:
    """The number of tasks on which the row's mean over common seeds is the higher one."""
    common = (_common(own, other) for own, other in pairs)
    return sum(fmean(x for x, _ in runs) > fmean(y for _, y in runs) for runs in common if runs)


def seed_correlation(pairs: Sequence[Pair]) -> float | None:
    """How far a row and the reference go up and down together from seed to seed, in [-1, 1].

    Pooled over tasks, each centered on its own means. Above 0 the intervals, which take seeds as independent, are
    too wide. None where no task has three common seeds or one side never varies.
    """
    xy = xx = yy = 0.0
    for own, other in pairs:
        runs = _common(own, other)
        if len(runs) >= MIN_SEEDS:
            x, y = _centered([x for x, _ in runs]), _centered([y for _, y in runs])
            xy += sum(a * b for a, b in zip(x, y, strict=True))
            xx += sum(a * a for a in x)
            yy += sum(b * b for b in y)
    if min(xx, yy) <= NEGLIGIBLE:
        return None
    return max(-1.0, min(1.0, xy / math.sqrt(xx * yy)))


def _common(own: RowScores, other: RowScores) -> list[tuple[float, float]]:
    seeds = sorted(own.scores.keys() & other.scores.keys())
    return [(own.scores[seed], other.scores[seed]) for seed in seeds]


def _centered(values: Sequence[float]) -> list[float]:
    mean = fmean(values)
    return [value - mean for value in values]
