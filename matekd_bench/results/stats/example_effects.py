"""The noise that comes from having these examples in dev and not others."""

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

RESAMPLES = 1000
Predictions: TypeAlias = Sequence[Values]  # of one run: class ids or scores [n] for each dev split


@dataclass(frozen=True, eq=False)
class Gold:
    """The labels [n] of each dev split of one task, and the metrics whose mean is a split's score."""

    metrics: tuple[MetricName, ...]
    labels: tuple[Values, ...]

    @property
    def linear(self) -> bool:
        """Whether the score is a mean over examples, so that no resampling is needed."""
        return set(self.metrics) == {"accuracy"}

    @property
    def n(self) -> int:
        """Examples in all dev splits."""
        return sum(len(labels) for labels in self.labels)

    def score(self, predictions: Predictions) -> float:
        """The task's score: mean over the splits of the mean of the metrics."""
        splits = zip(self.labels, predictions, strict=True)
        return float(np.mean([[METRICS[name](*split) for name in self.metrics] for split in splits]))

    @cached_property
    def resamples(self) -> tuple[NDArray[np.uint8], ...]:
        """For each split how often each example is in each of 1000 bootstrap samples: [1000, n].

        Drawn from the labels' digest: the same for every run, whatever else is in the table.
        """
        return tuple(_resamples(labels, split) for split, labels in enumerate(self.labels))


def _resamples(labels: Values, split: int) -> NDArray[np.uint8]:
    n = len(labels)
    rng = np.random.default_rng(seed_of("bootstrap", split, lines_digest(map(str, labels.tolist()))))
    draws = (np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(RESAMPLES))
    return np.array([draw.astype(np.uint8) for draw in draws])  # no example is drawn 256 times


@dataclass(frozen=True, eq=False)
class ExampleEffects:
    """How a row's score on one task, seed by seed, moves with the examples.

    `blocks` are arrays [K, seeds]; for any weights u over the seeds the variance of `scores @ u` that the
    examples cause is the sum over blocks of `factor * var(block @ u)`. For accuracy there is a block for each
    split, K its examples, holding right or wrong; otherwise one, K the bootstrap samples, holding scores.
    """

    seeds: tuple[int, ...]
    blocks: tuple[Floats, ...]
    factors: tuple[float, ...]
    df: float
    _means: dict[tuple[int, ...], SeedMeans] = field(default_factory=dict, init=False, repr=False)

    def has(self, seeds: Sequence[int]) -> bool:
        """Whether the predictions of all these seeds are in it."""
        return set(seeds) <= set(self.seeds)

    def over(self, seeds: Sequence[int]) -> SeedMeans:
        """The effects on the mean score over `seeds`; kept, since a row meets many others."""
        key = tuple(seeds)
        if key not in self._means:
            places = [self.seeds.index(seed) for seed in seeds]
            blocks = [block[:, places] for block in self.blocks]
            twice = sum(f * _interaction(block) for f, block in zip(self.factors, blocks, strict=True))
            self._means[key] = SeedMeans(tuple(block.mean(axis=1) for block in blocks), twice / len(seeds))
        return self._means[key]


@dataclass(frozen=True, eq=False)
class SeedMeans:
    """A mean over seeds: its effects [K] for each block, and the variance of it that the seeds explain too."""

    blocks: tuple[Floats, ...]
    interaction: float


def example_effects(gold: Gold, runs: Mapping[int, Predictions]) -> ExampleEffects | None:
    """The effects of `runs`, predictions by seed; None where a split has fewer than two examples.

    Raises ValueError where predictions and labels differ in number.
    """
    if not runs or min(len(labels) for labels in gold.labels) < 2:
        return None
    for predictions in runs.values():
        if [len(split) for split in predictions] != [len(labels) for labels in gold.labels]:
            raise ValueError("predictions and labels of a split differ in number")
    seeds, splits = tuple(sorted(runs)), len(gold.labels)
    df = float(gold.n - splits)
    if not gold.linear:
        return ExampleEffects(seeds, (_resampled(gold, [runs[seed] for seed in seeds]),), (1.0,), df)
    blocks = (
        np.stack([np.asarray(runs[seed][i]) == labels for seed in seeds], axis=1).astype(np.float64)
        for i, labels in enumerate(gold.labels)
    )
    factors = (1 / (len(labels) * splits**2) for labels in gold.labels)
    return ExampleEffects(seeds, tuple(blocks), tuple(factors), df)


def _resampled(gold: Gold, runs: Sequence[Predictions]) -> Floats:
    """The task's score of each run on each bootstrap sample: [1000, runs]."""
    scores = [
        weighted_scores(gold.metrics, labels, [run[i] for run in runs], gold.resamples[i])
        for i, labels in enumerate(gold.labels)
    ]
    mean: Floats = np.mean(scores, axis=0)
    return mean


def example_variance(own: ExampleEffects, other: ExampleEffects, seeds: Sequence[int]) -> Variance:
    """The variance that the choice of examples gives the difference of two rows, beyond that of the seeds.

    The variance over examples of the difference of the means over `seeds` (two or more, which both rows have),
    less what it holds of the interaction of seeds and examples: that is in the scores' spread over seeds
    already, and would be counted twice (two-way analysis of variance with both factors random).
    """
    a, b = own.over(seeds), other.over(seeds)
    apart = (x - y for x, y in zip(a.blocks, b.blocks, strict=True))
    raw = sum(factor * float(np.var(x, ddof=1)) for factor, x in zip(own.factors, apart, strict=True))
    net = raw - a.interaction - b.interaction
    return Variance(net if net > NEGLIGIBLE else 0.0, own.df)


def _interaction(block: Floats) -> float:
    """The mean square of what neither the seed nor the example alone explains, for [K, seeds]."""
    rest = block - block.mean(axis=1, keepdims=True)
    return float(np.var(rest, axis=0, ddof=1).sum() / (block.shape[1] - 1))
