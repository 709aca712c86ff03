"""Descriptive statistics, shown next to the tests. No verdict depends on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

import numpy as np

from matekd_bench.results.stats.differences import RowScores
from matekd_bench.results.stats.example_scores import Answers, Gold
from matekd_bench.results.stats.intervals import MIN_SEEDS, NEGLIGIBLE
from matekd_bench.results.stats.leave_one_out import Values

SAME_LOGITS = 1e-4  # logits this close come from the same student, up to rounding in another order of sums
Pair = tuple[RowScores, RowScores]  # a row and the reference, on one task


def probability_of_improvement(pairs: Sequence[Pair]) -> float | None:
    """Estimate the probability that a run of the row scores higher than a run of the reference, mean over tasks.

    Every run of one row is compared with every run of the other, and ties count half. This is the Mann-Whitney
    statistic (Agarwal et al. 2021). None if no task has runs of both.
    """
    tasks = [
        fmean([(x > y) + (x == y) / 2 for x in own.scores.values() for y in other.scores.values()])
        for own, other in pairs
        if own.scores and other.scores
    ]
    return fmean(tasks) if tasks else None


def tasks_won(pairs: Sequence[Pair]) -> int:
    """Count the tasks on which the row has the higher mean over common seeds."""
    common = (_common(own, other) for own, other in pairs)
    return sum(fmean(x for x, _ in runs) > fmean(y for _, y in runs) for runs in common if runs)


def seed_correlation(pairs: Sequence[Pair]) -> float | None:
    """Correlate the scores of a row and the reference over their common seeds, in [-1, 1].

    Pearson's correlation, pooled over tasks after centering each task. None if no task has three common seeds, or if
    one side does not vary.
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


def answers_changed(own: Answers, other: Answers, gold: Gold) -> float:
    """Compute how far two runs differ in their answers on dev.

    For class ids this is the share of examples whose id differs. For scores it is the mean absolute difference, in
    standard deviations of the gold scores.
    """
    ours, theirs = np.concatenate(own), np.concatenate(other)
    if np.issubdtype(ours.dtype, np.integer):
        return float(np.mean(ours != theirs))
    sd = float(np.std(np.concatenate(gold.labels))) or 1.0  # gold scores that are all equal have no such unit
    return float(np.mean(np.abs(ours - theirs))) / sd


def same_logits(own: Sequence[Values], other: Sequence[Values]) -> bool:
    """Return True if no logit of two runs differs by more than SAME_LOGITS; both have logits [n, C] for each split."""
    pairs = zip(own, other, strict=True)
    return all(a.shape == b.shape and np.allclose(a, b, rtol=0, atol=SAME_LOGITS) for a, b in pairs)


def _common(own: RowScores, other: RowScores) -> list[tuple[float, float]]:
    """Return the scores of both for each common seed."""
    seeds = sorted(own.scores.keys() & other.scores.keys())
    return [(own.scores[seed], other.scores[seed]) for seed in seeds]


def _centered(values: Sequence[float]) -> list[float]:
    mean = fmean(values)
    return [value - mean for value in values]
