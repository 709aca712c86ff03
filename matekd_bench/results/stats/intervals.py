"""Confidence intervals and tests of estimates whose variances come from a few seeds and many examples.

On one task they are generalized (Tsui & Weerahandi 1989, Weerahandi 1993): the estimate is normal, and its variance is
averaged over the possible true variances, `estimated * df / chi2(df)`. Without examples that is Student's distribution.
Satterthwaite's degrees of freedom would be simpler, but fail in the tails that Holm's correction needs: with three
seeds, p values below .0056 came up three times as often as they should. Over several tasks such errors average out, and
Student's distribution holds with Satterthwaite's (1946) degrees of freedom of variances that each have those of the
seeds (`benchmarks/simulate_statistics.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean

import numpy as np

from matekd_bench.tasks.metrics import Floats

LEVEL = 0.95
MIN_SEEDS = 3  # with fewer there is no interval, no p and no verdict
NEGLIGIBLE = 1e-24  # a smaller variance of scores (fractions) is a rounding error


@dataclass(frozen=True)
class Part:
    """An independent part of a variance: `max(estimated + known, floor)`.

    `estimated` comes from a few runs and has `df` degrees of freedom. `known` comes from hundreds of examples, so that
    its own error does not matter, and may be negative; so does `floor`.
    """

    estimated: float
    df: float
    known: float = 0.0
    floor: float = 0.0

    @property
    def value(self) -> float:
        """The best estimate of the part."""
        return max(self.estimated + self.known, self.floor)

    def times(self, factor: float) -> Part:
        """Return the part of the statistic times the root of `factor`."""
        return Part(self.estimated * factor, self.df, self.known * factor, self.floor * factor)


@dataclass(frozen=True)
class Variance:
    """The variance of a statistic, as the sum of independent parts."""

    parts: tuple[Part, ...]

    @property
    def value(self) -> float:
        """The best estimate of the variance, exactly 0 if it is no more than rounding."""
        total = math.fsum(part.value for part in self.parts)
        return total if total > NEGLIGIBLE else 0.0

    @property
    def error(self) -> float:
        """The standard error: the square root."""
        return math.sqrt(self.value)


@dataclass(frozen=True)
class Interval:
    """A confidence interval, in the units of the scores."""

    low: float
    high: float

    def clipped(self, bounds: Interval) -> Interval:
        """Return the part of the interval that lies within `bounds`."""
        return Interval(max(self.low, bounds.low), min(self.high, bounds.high))

    def within(self, margin: float) -> bool:
        """Return True if the whole interval is between -margin and +margin."""
        return -margin <= self.low and self.high <= margin


UNIT = Interval(0.0, 1.0)  # the bounds of accuracy and F1
SIGNED = Interval(-1.0, 1.0)  # those of correlations


@dataclass(frozen=True)
class Spread:
    """Mean, standard deviation (ddof 1; None for fewer than two scores) and t interval of scores over seeds."""

    n: int
    mean: float
    sd: float | None
    interval: Interval | None  # None below MIN_SEEDS, and if runs collapsed


def spread(scores: Sequence[float], bounds: Interval = UNIT, *, collapsed: bool = False) -> Spread:
    """Summarize the `scores` of one cell, one for each seed; the interval is within the metric's `bounds`.

    If runs `collapsed` there is no interval: their scores have two modes. Raises ValueError if there are no scores.
    """
    if not scores:
        raise ValueError("a mean needs at least one score")
    n, mean = len(scores), fmean(scores)
    if n < MIN_SEEDS or collapsed:
        return Spread(n, mean, math.sqrt(variance(scores)) if n > 1 else None, None)
    noise = variance_of_mean(scores)
    return Spread(n, mean, math.sqrt(noise.value * n), confidence_interval(mean, noise).clipped(bounds))


def variance(scores: Sequence[float]) -> float:
    """Compute the sample variance (ddof 1) of two or more scores, exactly 0 if all are equal.

    The corrected two-pass algorithm of Chan, Golub & LeVeque (1983), which removes the rounding error of the mean.
    Sums are exact (`math.fsum`), so that the order of the scores does not matter. `statistics.variance` is exact
    too, but ten times slower.
    """
    if min(scores) == max(scores):
        return 0.0
    n, mean = len(scores), fmean(scores)
    deviations = [score - mean for score in scores]
    return (math.fsum(d * d for d in deviations) - math.fsum(deviations) ** 2 / n) / (n - 1)


def variance_of_mean(scores: Sequence[float]) -> Variance:
    """Compute the variance of the mean of n independent scores, two or more, with n - 1 degrees of freedom."""
    return Variance((Part(variance(scores) / len(scores), len(scores) - 1),))


def confidence_interval(mean: float, noise: Variance, level: float = LEVEL) -> Interval:
    """Compute the two-sided interval of `mean` with the variance `noise`; its width is 0 if the variance is 0."""
    half = half_width(noise, level)
    return Interval(mean - half, mean + half)


def half_width(noise: Variance, level: float = LEVEL) -> float:
    """Compute the distance from 0 at which the two-sided p value is `1 - level`."""
    from scipy.special import ndtr, stdtrit

    if noise.value == 0:
        return 0.0
    if (df := _degrees_of_freedom(noise)) is not None:
        return float(stdtrit(df, (1 + level) / 2)) * noise.error
    errors, weights = _errors(noise.parts[0])
    half, tail = 0.0, 1.0
    # Newton's method: p is convex in the distance, so the iteration from 0 approaches from below.
    while tail > (1 - level) * (1 + 1e-9):
        density = float(np.sum(weights * np.exp(-((half / errors) ** 2) / 2) / errors)) * math.sqrt(
            2 / math.pi
        )
        half += (tail - (1 - level)) / density
        tail = float(np.sum(2 * weights * ndtr(-half / errors)))
    return half


def p_value(mean: float, noise: Variance) -> float | None:
    """Compute the two-sided p of `mean` against 0. With variance 0 it is 1 if the mean is 0, else None."""
    from scipy.special import ndtr, stdtr

    if noise.value == 0:
        return 1.0 if mean**2 <= NEGLIGIBLE else None
    if (df := _degrees_of_freedom(noise)) is not None:
        return min(1.0, 2 * float(stdtr(df, -abs(mean) / noise.error)))
    errors, weights = _errors(noise.parts[0])
    return min(1.0, float(np.sum(2 * weights * ndtr(-abs(mean) / errors))))


def _degrees_of_freedom(noise: Variance) -> float | None:
    """Return the degrees of freedom of Student's distribution; None for one part that must be averaged over."""
    first = noise.parts[0]
    if len(noise.parts) == 1:
        return first.df if first.known == first.floor == 0 else None
    # divided by the total first, since the squares of tiny variances would underflow
    return 1 / math.fsum((part.value / noise.value) ** 2 / part.df for part in noise.parts)


def _errors(part: Part) -> tuple[Floats, Floats]:
    """Return standard errors that an estimate may have [K], and their weights [K], which sum to 1."""
    factors, weights = _chi_squared_factors(part.df)
    return np.sqrt(np.maximum(part.estimated * factors + part.known, part.floor)), weights


@lru_cache(maxsize=256)
def _chi_squared_factors(df: float) -> tuple[Floats, Floats]:
    """Return values [K] of `df / chi2(df)` with weights [K].

    They are denser for large variances, so that small p values are exact to a percent.
    """
    from scipy.special import chdtri

    edges = np.concatenate([[0.0], np.logspace(-8, -2, 240), np.linspace(0.01, 1, 400)[1:]])
    return df / chdtri(df, 1 - (edges[1:] + edges[:-1]) / 2), np.diff(edges)


def interval_over_tasks(
    cells: Sequence[Sequence[float]], bounds: Sequence[Interval], *, collapsed: bool = False
) -> Interval | None:
    """Compute the interval of a mean over tasks (a GLUE score) from the scores over seeds of each task.

    `bounds` are those of the metrics of each task; the interval is within their mean. It covers the variation of seeds
    only and holds for these dev sets. None if a task has fewer than three seeds, or if runs `collapsed`.
    """
    if not cells or collapsed or any(len(scores) < MIN_SEEDS for scores in cells):
        return None
    noise = variance_over_tasks([variance_of_mean(scores) for scores in cells])
    ends = Interval(fmean(task.low for task in bounds), fmean(task.high for task in bounds))
    return confidence_interval(fmean(fmean(scores) for scores in cells), noise).clipped(ends)


def variance_over_tasks(variances: Sequence[Variance]) -> Variance:
    """Compute the variance of the mean of T independent statistics (tasks): the sum of their variances over T^2."""
    factor = 1 / len(variances) ** 2
    return Variance(tuple(part.times(factor) for noise in variances for part in noise.parts))
