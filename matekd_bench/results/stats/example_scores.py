"""The contribution of each dev example to the scores of a row's runs, and the noise in the difference of two rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from matekd_bench.results.stats.intervals import Part, Variance
from matekd_bench.results.stats.leave_one_out import Values, pseudo_values
from matekd_bench.tasks.metrics import METRICS, Floats
from matekd_bench.tasks.task import MetricName

MIN_EXAMPLES = 3  # in a split: a correlation without one of them needs two others
Answers: TypeAlias = Sequence[Values]  # one run's class ids or scores [n] for each dev split


@dataclass(frozen=True, eq=False)
class Gold:
    """The gold labels [n] of each dev split of one task, and the metrics whose mean is the score of a split."""

    metrics: tuple[MetricName, ...]
    labels: tuple[Values, ...]

    @property
    def linear(self) -> bool:
        """True if the score is a mean over examples (accuracy)."""
        return set(self.metrics) == {"accuracy"}

    @property
    def n(self) -> int:
        """Number of examples in all dev splits together."""
        return sum(len(labels) for labels in self.labels)

    def score(self, predictions: Answers) -> float:
        """Compute the task score: the mean over splits of the mean of the metrics."""
        splits = zip(self.labels, predictions, strict=True)
        return float(np.mean([[METRICS[name](*split) for name in self.metrics] for split in splits]))


@dataclass(frozen=True, eq=False)
class ExampleScores:
    """The contribution of each example to the score of each run of a row on one task.

    `blocks` are arrays [n, seeds], one for each dev split: for accuracy 1 (right) or 0 (wrong), for other metrics
    pseudo-values (:mod:`matekd_bench.results.stats.leave_one_out`).
    """

    seeds: tuple[int, ...]
    blocks: tuple[Floats, ...]

    def has_seeds(self, seeds: Sequence[int]) -> bool:
        """Return True if the contributions are known for all `seeds`."""
        return set(seeds) <= set(self.seeds)

    def of_seeds(self, seeds: Sequence[int]) -> list[Floats]:
        """Return the blocks with the columns of `seeds`, in their order."""
        columns = [self.seeds.index(seed) for seed in seeds]
        return [block[:, columns] for block in self.blocks]


def example_scores(gold: Gold, runs: Mapping[int, Answers]) -> ExampleScores | None:
    """Compute the contributions of the examples to `runs`, the predictions by seed.

    None if there is no run or a split has fewer than three examples. Raises ValueError if predictions and labels
    differ in number.
    """
    if not runs or min(len(labels) for labels in gold.labels) < MIN_EXAMPLES:
        return None
    for predictions in runs.values():
        if [len(split) for split in predictions] != [len(labels) for labels in gold.labels]:
            raise ValueError("predictions and labels of a split differ in number")
    seeds = tuple(sorted(runs))
    columns = (
        [_contributions(gold, labels, np.asarray(runs[seed][i])) for seed in seeds]
        for i, labels in enumerate(gold.labels)
    )
    return ExampleScores(seeds, tuple(np.stack(block, axis=1) for block in columns))


def _contributions(gold: Gold, labels: Values, predicted: Values) -> Values:
    """Return the contributions [n] to the score of one run on one split; booleans for accuracy, to save memory."""
    return labels == predicted if gold.linear else pseudo_values(gold.metrics, labels, predicted)


def noise_of_one_run(scores: ExampleScores) -> Variance:
    """Compute the variance that the choice of examples gives to the score of the first run, splits independent."""
    splits = len(scores.blocks)
    columns = [block[:, :1].astype(np.float64) for block in scores.blocks]
    return Variance(tuple(Part(_over_examples(column) / splits**2, len(column) - 1) for column in columns))


@dataclass(frozen=True)
class Noise:
    """The sources of noise in the mean difference of two rows on one task, over `n` common seeds.

    `seeds` is the variance over seeds of the difference of two runs with one seed. `examples` is the variance of the
    mean difference over examples. Both contain the interaction of seeds and examples; `interaction` is its part in the
    variance of the mean difference.
    """

    n: int
    seeds: float
    examples: float
    interaction: float

    def with_seeds(self, n: int) -> Variance:
        """Compute the variance of the mean difference over `n` seeds.

        Two-way analysis of variance with seeds and examples both random (Cornfield & Tukey 1956). In mean squares it is
        `(MS_seeds + MS_examples - MS_interaction) / (seeds * examples)`, and at least the part of the interaction.
        """
        return Variance((Part(self.seeds / n, n - 1, self._net_examples, self.interaction * self.n / n),))

    @property
    def of_examples_alone(self) -> Variance:
        """The variance that remains with unlimited seeds."""
        return Variance((Part(0.0, 1, max(self._net_examples, 0.0)),))

    @property
    def _net_examples(self) -> float:
        return self.examples - self.interaction


def paired_noise(own: ExampleScores, other: ExampleScores, seeds: Sequence[int]) -> Noise:
    """Compute the noise in the difference of two rows over their common `seeds`, two or more.

    Runs with one seed share initial student, order and dropout. They are subtracted example by example, which cancels
    the noise that they share. Splits (MNLI) share the seeds but have different examples.
    """
    n, splits = len(seeds), len(own.blocks)
    blocks = [
        np.subtract(a, b, dtype=np.float64)  # [examples, seeds]
        for a, b in zip(own.of_seeds(seeds), other.of_seeds(seeds), strict=True)
    ]
    of_seeds = np.mean([block.mean(axis=0) for block in blocks], axis=0)
    return Noise(
        n,
        float(np.var(of_seeds, ddof=1)),
        sum(_over_examples(block) for block in blocks) / splits**2,
        sum(_interaction(block) for block in blocks) / splits**2,
    )


def _over_examples(block: Floats) -> float:
    """Compute the variance of the mean of `block` [examples, seeds] over examples."""
    return float(np.var(block.mean(axis=1), ddof=1)) / len(block)


def _interaction(block: Floats) -> float:
    """Compute the part of the interaction in the variance of the mean of `block` [examples, seeds]."""
    size, n = len(block), int(block.shape[1])
    residual = block - block.mean(axis=1, keepdims=True) - block.mean(axis=0) + block.mean()
    return float(np.sum(residual**2)) / ((size - 1) * (n - 1)) / (size * n)
