"""t intervals and t tests of estimates, from their variances and degrees of freedom (Welch-Satterthwaite)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

LEVEL = 0.95
MIN_SEEDS = 3  # with fewer there is no interval, no p and no verdict
NEGLIGIBLE = 1e-24  # a smaller variance of scores (fractions) is a rounding error


@dataclass(frozen=True)
class Variance:
    """The estimated variance of a statistic, and the degrees of freedom `df` of the variance."""

    value: float
    df: float

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
    interval: Interval | None  # None below MIN_SEEDS, and where runs collapsed


def spread(scores: Sequence[float], bounds: Interval = UNIT, *, collapsed: bool = False) -> Spread:
    """Summarize the `scores` of one cell, one for each seed; the interval is within the metric's `bounds`.

    If runs `collapsed` there is no interval: their scores have two modes. Raises ValueError if there are no scores.
    """
    if not scores:
        raise ValueError("a mean is of one score or more")
    n, mean = len(scores), fmean(scores)
    if n < MIN_SEEDS or collapsed:
        return Spread(n, mean, math.sqrt(variance(scores)) if n > 1 else None, None)
    noise = variance_of_mean(scores)
    return Spread(n, mean, math.sqrt(noise.value * n), t_interval(mean, noise).clipped(bounds))


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
    return Variance(variance(scores) / len(scores), len(scores) - 1)


def variance_of_sum(parts: Sequence[Variance]) -> Variance:
    """Compute the variance of a sum of independent statistics from their variances.

    Degrees of freedom after Welch (1947) and Satterthwaite (1946): (sum of v)^2 / (sum of v^2 / df). If all
    variances are 0, the smallest degrees of freedom are returned.
    """
    total = math.fsum(part.value for part in parts)
    if total <= NEGLIGIBLE:
        return Variance(0.0, min(part.df for part in parts))
    # divided by the total first, since the squares of tiny variances would underflow
    return Variance(total, 1 / math.fsum((part.value / total) ** 2 / part.df for part in parts))


def t_interval(mean: float, noise: Variance, level: float = LEVEL) -> Interval:
    """Compute the two-sided t interval of `mean` with the variance `noise`; its width is 0 if the variance is 0."""
    from scipy.special import stdtrit

    half = float(stdtrit(noise.df, (1 + level) / 2)) * noise.error
    return Interval(mean - half, mean + half)


def t_test(mean: float, noise: Variance) -> float | None:
    """Compute the two-sided p of `mean` against 0. With variance 0 it is 1 if the mean is 0, else None."""
    from scipy.special import stdtr

    if noise.value == 0:
        return 1.0 if mean**2 <= NEGLIGIBLE else None
    return min(1.0, 2 * float(stdtr(noise.df, -abs(mean) / noise.error)))


def interval_over_tasks(cells: Sequence[Sequence[float]]) -> Interval | None:
    """Compute the interval of a mean over tasks (a GLUE score) from the scores over seeds of each task.

    It covers the variation of seeds only and holds for these dev sets. None if a task has fewer than three seeds.
    """
    if not cells or any(len(scores) < MIN_SEEDS for scores in cells):
        return None
    noise = variance_over_parts([variance_of_mean(scores) for scores in cells])
    return t_interval(fmean(fmean(scores) for scores in cells), noise)


def variance_over_parts(parts: Sequence[Variance]) -> Variance:
    """Compute the variance of the mean of T independent parts (tasks, splits): the sum of their variances over T^2."""
    return variance_of_sum([Variance(part.value / len(parts) ** 2, part.df) for part in parts])
