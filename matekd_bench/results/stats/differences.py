"""The difference of two rows, on one task and over tasks, with its variance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from matekd_bench.results.stats.example_scores import ExampleScores, Noise, paired_noise
from matekd_bench.results.stats.intervals import (
    LEVEL,
    MIN_SEEDS,
    UNIT,
    Interval,
    Variance,
    confidence_interval,
    half_width,
    p_value,
    variance_over_tasks,
)

FEW_SEEDS = "fewer than three common seeds"


@dataclass(frozen=True, eq=False)
class RowScores:
    """The scores of one row on one task.

    `scores` are fractions by seed. `examples` come from the predictions of the same runs (None: no predictions).
    `complete` is False if a seed failed; then there is no interval, p or verdict. `collapsed` are the seeds whose runs
    collapsed or diverged. `bounds` are the lowest and the highest value of the score. `without_examples` says why there
    are no `examples`.
    """

    scores: Mapping[int, float]
    examples: ExampleScores | None = None
    complete: bool = True
    collapsed: frozenset[int] = frozenset()
    bounds: Interval = UNIT
    without_examples: str = "predictions are missing"

    @property
    def supports_claims(self) -> bool:
        """True for at least three seeds with predictions of which none failed, which is enough for a rank."""
        predicted = self.examples is not None and self.examples.has_seeds(list(self.scores))
        return self.complete and predicted and len(self.scores) >= MIN_SEEDS


@dataclass(frozen=True)
class Difference:
    """The difference of two rows' mean scores, in fractions, with its variance.

    `n` is the number of common seeds (over tasks: the smallest). If `variance` is None there is no interval, p or
    verdict, and `missing` gives the reason. `noise` is set only for a difference on one task. No difference is larger
    than `largest`.
    """

    delta: float
    n: int
    variance: Variance | None = None
    noise: Noise | None = None
    missing: str | None = None
    largest: float = 1.0

    def interval(self, level: float = LEVEL) -> Interval | None:
        """Compute the two-sided interval of the difference, within its bounds; None without a variance."""
        if self.variance is None:
            return None
        return confidence_interval(self.delta, self.variance, level).clipped(
            Interval(-self.largest, self.largest)
        )

    @property
    def half_width(self) -> float | None:
        """Half the width of the 95 % interval before it is cut at its bounds; None without a variance."""
        return None if self.variance is None else half_width(self.variance)

    @property
    def p(self) -> float | None:
        """The two-sided p value of no difference; None without a variance, or if an unequal pair has variance 0."""
        return None if self.variance is None else p_value(self.delta, self.variance)


def difference(own: RowScores, other: RowScores) -> Difference | None:
    """Compute `own - other` on one task over their common seeds; None if there is no common seed.

    The variance is that of pairs of runs with one seed, over seeds and examples
    (:class:`~matekd_bench.results.stats.example_scores.Noise`).
    """
    seeds = sorted(own.scores.keys() & other.scores.keys())
    if not seeds:
        return None
    own_scores, other_scores = ([entry.scores[seed] for seed in seeds] for entry in (own, other))
    delta, largest = fmean(own_scores) - fmean(other_scores), own.bounds.high - own.bounds.low
    without_claim = partial(Difference, delta, len(seeds), largest=largest)
    if not (own.complete and other.complete):
        return without_claim(missing="a seed failed")
    if len(seeds) < MIN_SEEDS:
        return without_claim(missing=FEW_SEEDS)
    if reason := _collapse(own, other, seeds):
        return without_claim(missing=reason)
    if own.examples is None or other.examples is None or not _predicted(own, other, seeds):
        return without_claim(missing=own.without_examples)
    noise = paired_noise(own.examples, other.examples, seeds)
    return Difference(delta, len(seeds), noise.with_seeds(len(seeds)), noise, largest=largest)


def _collapse(own: RowScores, other: RowScores, seeds: Sequence[int]) -> str | None:
    """Return the reason why runs that collapsed forbid a claim; None if they do not.

    If some of a row's runs collapsed, its scores have two modes, and a t interval holds the true mean in as few as
    half of all studies. If all of them collapsed, they have one score, which is known exactly.
    """
    counts = [sum(seed in row.collapsed for seed in seeds) for row in (own, other)]
    if counts == [len(seeds)] * 2:
        return "both rows collapsed"
    if any(0 < count < len(seeds) for count in counts):
        return "some runs collapsed"
    return None


def _predicted(own: RowScores, other: RowScores, seeds: Sequence[int]) -> bool:
    return all(row.examples is not None and row.examples.has_seeds(seeds) for row in (own, other))


def difference_over_tasks(parts: Sequence[Difference]) -> Difference | None:
    """Average the differences of T tasks; the variance is the sum of theirs over T^2. None for no task.

    If one difference has no variance, the result has none either.
    """
    if not parts:
        return None
    delta, n = fmean(part.delta for part in parts), min(part.n for part in parts)
    largest = fmean(part.largest for part in parts)
    known = [part.variance for part in parts if part.variance is not None]
    if len(known) < len(parts):
        reasons = dict.fromkeys(part.missing for part in parts if part.missing)
        return Difference(delta, n, missing="; ".join(sorted(filter(None, reasons))), largest=largest)
    return Difference(delta, n, variance_over_tasks(known), largest=largest)


def row_difference(
    own: Mapping[str, RowScores], other: Mapping[str, RowScores], tasks: Sequence[str]
) -> Difference | None:
    """Compute the mean difference over all of `tasks`; None if one of them has no common seed."""
    parts = [difference(own[task], other[task]) for task in tasks if task in own and task in other]
    known = [part for part in parts if part is not None]
    return difference_over_tasks(known) if len(known) == len(tasks) else None
