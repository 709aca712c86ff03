"""The difference of two rows: on one task, and over tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from matekd_bench.results.stats.example_effects import ExampleEffects, example_variance
from matekd_bench.results.stats.intervals import (
    LEVEL,
    MIN_SEEDS,
    Interval,
    Variance,
    combined,
    mean_variance,
    t_interval,
    t_test,
    variance,
)

FEW_SEEDS = "fewer than three common seeds"


@dataclass(frozen=True, eq=False)
class RowScores:
    """What one row has on one task.

    `scores` are fractions by seed, `effects` come from the same runs' predictions (None: there are none).
    `complete` is False where a seed failed; then nothing is claimed.
    """

    scores: Mapping[int, float]
    effects: ExampleEffects | None = None
    complete: bool = True

    @property
    def whole(self) -> bool:
        """Whether a claim may rest on it: three seeds or more with their predictions, none failed."""
        predicted = self.effects is not None and self.effects.has(list(self.scores))
        return self.complete and predicted and len(self.scores) >= MIN_SEEDS


@dataclass(frozen=True)
class Noise:
    """Where the noise of a difference on one task comes from.

    `own` and `other` are variances of one run's score over seeds, `examples` that of the difference over dev.
    """

    own: float
    other: float
    examples: Variance

    def with_seeds(self, n: int) -> Variance:
        """The variance of the difference of means over `n` seeds each."""
        seeds = (Variance(value / n, n - 1) for value in (self.own, self.other))
        return combined([*seeds, self.examples])


@dataclass(frozen=True)
class Difference:
    """How much higher one row scores than another, and how sure that is.

    `n` counts the common seeds (over tasks: the fewest). Without `variance` there is no interval, no p and no
    verdict, and `missing` says why. `noise` is there for one task.
    """

    delta: float
    n: int
    variance: Variance | None = None
    noise: Noise | None = None
    missing: str | None = None

    def interval(self, level: float = LEVEL) -> Interval | None:
        """The t interval of the difference."""
        return None if self.variance is None else t_interval(self.delta, self.variance, level)

    @property
    def p(self) -> float | None:
        """The two-sided p against no difference; None, too, where a difference has no variance at all."""
        return None if self.variance is None else t_test(self.delta, self.variance)


def difference(own: RowScores, other: RowScores) -> Difference | None:
    """`own` less `other` on one task over their common seeds; None where there is none.

    V = sd_own^2/n + sd_other^2/n + V_ex, degrees of freedom after Satterthwaite. Seeds are paired, yet taken
    as independent: where they go up and down together the interval is too wide.
    """
    seeds = sorted(own.scores.keys() & other.scores.keys())
    if not seeds:
        return None
    mine, theirs = ([entry.scores[seed] for seed in seeds] for entry in (own, other))
    delta, n = fmean(mine) - fmean(theirs), len(seeds)
    if not (own.complete and other.complete):
        return Difference(delta, n, missing="a seed failed")
    if n < MIN_SEEDS:
        return Difference(delta, n, missing=FEW_SEEDS)
    if (
        own.effects is None
        or other.effects is None
        or not (own.effects.has(seeds) and other.effects.has(seeds))
    ):
        return Difference(delta, n, missing="predictions are missing")
    noise = Noise(variance(mine), variance(theirs), example_variance(own.effects, other.effects, seeds))
    return Difference(delta, n, noise.with_seeds(n), noise)


def over_tasks(parts: Sequence[Difference]) -> Difference | None:
    """The mean of the tasks' differences, its variance their sum over T^2; None for no task."""
    if not parts:
        return None
    delta, n = fmean(part.delta for part in parts), min(part.n for part in parts)
    known = [part.variance for part in parts if part.variance is not None]
    if len(known) < len(parts):
        reasons = dict.fromkeys(part.missing for part in parts if part.missing)
        return Difference(delta, n, missing="; ".join(sorted(filter(None, reasons))))
    return Difference(delta, n, mean_variance(known))


def row_difference(
    own: Mapping[str, RowScores], other: Mapping[str, RowScores], tasks: Sequence[str]
) -> Difference | None:
    """The mean difference over all of `tasks`; None where one of them has no common seed."""
    parts = [difference(own[task], other[task]) for task in tasks if task in own and task in other]
    known = [part for part in parts if part is not None]
    return over_tasks(known) if len(known) == len(tasks) else None
