"""Estimates with a variance of known freedom: t intervals, t tests and the Welch-Satterthwaite sum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

LEVEL = 0.95
MIN_SEEDS = 3  # below, nothing is claimed: no interval, no p, no verdict
NEGLIGIBLE = 1e-24  # a variance of fractions below this is rounding, not noise


@dataclass(frozen=True)
class Variance:
    """The estimated variance of an estimate, and the degrees of freedom `df` of that estimate."""

    value: float
    df: float

    @property
    def error(self) -> float:
        """The standard error."""
        return math.sqrt(self.value)


@dataclass(frozen=True)
class Interval:
    """A confidence interval, in the units of the scores."""

    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of its length."""
        return (self.high - self.low) / 2

    def within(self, margin: float) -> bool:
        """Whether all of it lies between -margin and +margin."""
        return -margin <= self.low and self.high <= margin


@dataclass(frozen=True)
class Spread:
    """Scores over seeds: their mean, standard deviation (ddof 1; None below two) and t interval."""

    n: int
    mean: float
    sd: float | None
    interval: Interval | None  # None below MIN_SEEDS


def spread(scores: Sequence[float]) -> Spread:
    """The mean of one cell's `scores`, one a seed, with its interval; ValueError where there are none."""
    if not scores:
        raise ValueError("a mean is of one score or more")
    n, mean = len(scores), fmean(scores)
    if n < MIN_SEEDS:
        return Spread(n, mean, math.sqrt(variance(scores)) if n > 1 else None, None)
    noise = variance_of_mean(scores)
    return Spread(n, mean, math.sqrt(noise.value * n), t_interval(mean, noise))


def variance(scores: Sequence[float]) -> float:
    """The sample variance (ddof 1) of two or more scores, exactly 0 where all are equal.

    Sums are exact (`math.fsum`), so that their order does not matter, and the error of the mean is taken out again:
    the corrected two-pass algorithm of Chan, Golub & LeVeque (1983). In fractions, as `statistics.variance` has it,
    it takes ten times as long.
    """
    if min(scores) == max(scores):
        return 0.0
    n, mean = len(scores), fmean(scores)
    off = [score - mean for score in scores]
    return (math.fsum(one * one for one in off) - math.fsum(off) ** 2 / n) / (n - 1)


def variance_of_mean(scores: Sequence[float]) -> Variance:
    """The variance of the mean of two or more independent scores, with n - 1 degrees of freedom."""
    return Variance(variance(scores) / len(scores), len(scores) - 1)


def combined(parts: Sequence[Variance]) -> Variance:
    """The variance of a sum of independent parts, degrees of freedom after Welch (1947) and Satterthwaite (1946).

    Where every part is zero the smallest of their degrees of freedom is kept.
    """
    total = math.fsum(part.value for part in parts)
    if total <= NEGLIGIBLE:
        return Variance(0.0, min(part.df for part in parts))
    # in shares of the total: the squares of tiny variances would underflow
    return Variance(total, 1 / math.fsum((part.value / total) ** 2 / part.df for part in parts))


def t_interval(mean: float, noise: Variance, level: float = LEVEL) -> Interval:
    """The two-sided t interval of `mean`; of no width where the variance is zero."""
    from scipy.special import stdtrit

    half = float(stdtrit(noise.df, (1 + level) / 2)) * noise.error
    return Interval(mean - half, mean + half)


def t_test(mean: float, noise: Variance) -> float | None:
    """The two-sided p of `mean` against 0; 1 where mean and variance are 0, None where only the variance is."""
    from scipy.special import stdtr

    if noise.value == 0:
        return 1.0 if mean**2 <= NEGLIGIBLE else None
    return min(1.0, 2 * float(stdtr(noise.df, -abs(mean) / noise.error)))


def mean_interval(cells: Sequence[Sequence[float]]) -> Interval | None:
    """The interval of a mean over tasks (a GLUE score) from each task's scores by seed.

    It holds for these dev sets: only the seeds vary. None where a task has fewer than three seeds.
    """
    if not cells or any(len(scores) < MIN_SEEDS for scores in cells):
        return None
    noise = mean_variance([variance_of_mean(scores) for scores in cells])
    return t_interval(fmean(fmean(scores) for scores in cells), noise)


def mean_variance(parts: Sequence[Variance]) -> Variance:
    """The variance of the plain mean of independent estimates."""
    return combined([Variance(part.value / len(parts) ** 2, part.df) for part in parts])
