"""The noise in a score that comes from the choice of the dev examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from matekd_bench.files.hashing import lines_digest
from matekd_bench.results.stats.intervals import NEGLIGIBLE, Variance
from matekd_bench.results.stats.weighted_metrics import Values, weighted_scores
from matekd_bench.seeds import seed_of
from matekd_bench.tasks.metrics import METRICS, Floats
from matekd_bench.tasks.task import MetricName

RESAMPLES = 1000  # bootstrap samples
Predictions: TypeAlias = Sequence[Values]  # one run's class ids or scores [n] for each dev split


@dataclass(frozen=True, eq=False)
class Gold:
    """The gold labels [n] of each dev split of one task, and the metrics whose mean is the score of a split."""

    metrics: tuple[MetricName, ...]
    labels: tuple[Values, ...]

    @property
    def linear(self) -> bool:
        """True if the score is a mean over examples (accuracy), so that its variance needs no resampling."""
        return set(self.metrics) == {"accuracy"}

    @property
    def n(self) -> int:
        """Number of examples in all dev splits together."""
        return sum(len(labels) for labels in self.labels)

    def score(self, predictions: Predictions) -> float:
        """Compute the task score: the mean over splits of the mean of the metrics."""
        splits = zip(self.labels, predictions, strict=True)
        return float(np.mean([[METRICS[name](*split) for name in self.metrics] for split in splits]))

    @cached_property
    def resamples(self) -> tuple[NDArray[np.uint8], ...]:
        """Bootstrap samples of each split: how often each example is in each of 1000 samples, [1000, n].

        The seed is a digest of the labels: the samples are the same for every run and every table.
        """
        return tuple(_resamples(labels, split) for split, labels in enumerate(self.labels))


def _resamples(labels: Values, split: int) -> NDArray[np.uint8]:
    n = len(labels)
    rng = np.random.default_rng(seed_of("bootstrap", split, lines_digest(map(str, labels.tolist()))))
    draws = (np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(RESAMPLES))
    return np.array([draw.astype(np.uint8) for draw in draws])  # no example is drawn 256 times


@dataclass(frozen=True, eq=False)
class ExampleEffects:
    """The effects of the dev examples on a row's scores on one task, for every seed.

    `blocks` are arrays [K, seeds]. For weights u over the seeds, the choice of examples gives `scores @ u` a variance
    of `factor * var(block @ u)`, summed over the blocks. For accuracy there is one block per split, with K examples
    and entries 1 (right) or 0 (wrong). For other metrics there is one block, with K bootstrap samples and the score
    on each as its entries. `df` are the degrees of freedom of that variance.
    """

    seeds: tuple[int, ...]
    blocks: tuple[Floats, ...]
    factors: tuple[float, ...]
    df: float
    _means: dict[tuple[int, ...], SeedMeans] = field(default_factory=dict, init=False, repr=False)

    def has_seeds(self, seeds: Sequence[int]) -> bool:
        """Return True if the effects of all `seeds` are known."""
        return set(seeds) <= set(self.seeds)

    def mean_over(self, seeds: Sequence[int]) -> SeedMeans:
        """Compute the effects on the mean score over `seeds`; cached, since a row is compared with many others."""
        key = tuple(seeds)
        if key not in self._means:
            columns = [self.seeds.index(seed) for seed in seeds]
            blocks = [block[:, columns] for block in self.blocks]
            interaction = sum(
                factor * _interaction_mean_square(block)
                for factor, block in zip(self.factors, blocks, strict=True)
            )
            means = tuple(block.mean(axis=1) for block in blocks)
            self._means[key] = SeedMeans(means, interaction / len(seeds))
        return self._means[key]


@dataclass(frozen=True, eq=False)
class SeedMeans:
    """The effects of the examples on a mean score over seeds.

    `blocks` are the effects [K] of each block. `interaction` is the part of their variance that comes from the
    interaction of seeds and examples, which the variance over seeds contains too.
    """

    blocks: tuple[Floats, ...]
    interaction: float


def example_effects(gold: Gold, runs: Mapping[int, Predictions]) -> ExampleEffects | None:
    """Compute the effects of the examples on `runs`, the predictions by seed.

    None if there is no run or a split has fewer than two examples. Raises ValueError if predictions and labels
    differ in number.
    """
    if not runs or min(len(labels) for labels in gold.labels) < 2:
        return None
    for predictions in runs.values():
        if [len(split) for split in predictions] != [len(labels) for labels in gold.labels]:
            raise ValueError("predictions and labels of a split differ in number")
    seeds, splits = tuple(sorted(runs)), len(gold.labels)
    df = float(gold.n - splits)
    if not gold.linear:
        return ExampleEffects(seeds, (_resampled_scores(gold, [runs[seed] for seed in seeds]),), (1.0,), df)
    blocks = (
        np.stack([np.asarray(runs[seed][i]) == labels for seed in seeds], axis=1).astype(np.float64)
        for i, labels in enumerate(gold.labels)
    )
    # the variance of a split's mean is var / n; the score is the mean of the splits
    factors = (1 / (len(labels) * splits**2) for labels in gold.labels)
    return ExampleEffects(seeds, tuple(blocks), tuple(factors), df)


def _resampled_scores(gold: Gold, runs: Sequence[Predictions]) -> Floats:
    """Compute the task score of each run on each bootstrap sample: [1000, runs]."""
    scores = [
        weighted_scores(gold.metrics, labels, [run[i] for run in runs], gold.resamples[i])
        for i, labels in enumerate(gold.labels)
    ]
    mean: Floats = np.mean(scores, axis=0)
    return mean


def example_variance(own: ExampleEffects, other: ExampleEffects, seeds: Sequence[int]) -> Variance:
    """Compute V_ex, the variance that the choice of examples adds to the difference of two rows.

    This is the variance over examples of the difference of the means over `seeds`, less its part that comes from the
    interaction of seeds and examples. The variance over seeds contains that part already, so it would count twice:
    two-way analysis of variance with both factors random. At least 0. Both rows need all of `seeds`, two or more.
    """
    a, b = own.mean_over(seeds), other.mean_over(seeds)
    differences = (x - y for x, y in zip(a.blocks, b.blocks, strict=True))
    raw = sum(factor * float(np.var(x, ddof=1)) for factor, x in zip(own.factors, differences, strict=True))
    net = raw - a.interaction - b.interaction
    return Variance(net if net > NEGLIGIBLE else 0.0, own.df)


def _interaction_mean_square(block: Floats) -> float:
    """Compute the mean square of the interaction in a two-way layout [K, seeds].

    This is the sum of squares that neither the seed nor the example explains, over (K - 1) * (seeds - 1).
    """
    residual = block - block.mean(axis=1, keepdims=True)  # np.var subtracts the means of the seeds
    return float(np.var(residual, axis=0, ddof=1).sum() / (block.shape[1] - 1))
