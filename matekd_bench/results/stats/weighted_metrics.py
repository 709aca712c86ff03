"""The metrics of GLUE on weighted examples: many resamples of one dev set in a few matrix products.

The unweighted values are those of :mod:`matekd_bench.tasks.metrics`, what counts as undefined (0) included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matekd_bench.tasks.metrics import ROUNDING, Floats
from matekd_bench.tasks.task import MetricName

BLOCK = 1_000_000  # weights turned into float64 at a time: 8 MB, what a cache may hold
Values: TypeAlias = NDArray[Any]  # class ids or scores [n]
Terms: TypeAlias = Callable[[Values, Values, Values], Values]
Weights: TypeAlias = NDArray[np.integer[Any]]  # [B, n], how often each example is there


def weighted_scores(
    metrics: Sequence[MetricName], labels: ArrayLike, runs: Sequence[ArrayLike], weights: Weights
) -> Floats:
    """The mean of `metrics` of each run under each row of `weights`, as [B, runs].

    `labels` and each run's predictions [n] are class ids or scores. Each row needs one weight above 0.
    """
    gold, guesses = np.asarray(labels), [np.asarray(guess) for guess in runs]
    values = [
        (_correlations if name in CORRELATIONS else _from_sums)(name, gold, guesses, weights)
        for name in metrics
    ]
    mean: Floats = np.mean(values, axis=0)
    return mean


def _blocks(weights: Weights) -> Iterator[Floats]:
    rows = max(1, BLOCK // weights.shape[1])
    for start in range(0, len(weights), rows):
        yield weights[start : start + rows].astype(np.float64)


def _from_sums(name: MetricName, gold: Values, guesses: Sequence[Values], weights: Weights) -> Floats:
    """A metric made of sums over examples; whole numbers, so that every order of adding gives the same."""
    terms, finish = SUMS[name]
    classes = np.unique(np.concatenate([gold, *guesses]))
    columns = np.concatenate([terms(gold, guess, classes) for guess in guesses], axis=1, dtype=np.float64)
    sums = np.concatenate([block @ columns for block in _blocks(weights)])  # [B, runs * k]
    return finish(sums.reshape(len(weights), len(guesses), -1))


def _accuracy_terms(gold: Values, guess: Values, classes: Values) -> Values:
    return np.stack([gold == guess, np.ones(len(gold), dtype=bool)], axis=1)


def _f1_terms(gold: Values, guess: Values, classes: Values) -> Values:
    either = (gold == 1).astype(np.int64) + (guess == 1)
    return np.stack([2 * ((gold == 1) & (guess == 1)), either], axis=1)


def _ratio(sums: Floats) -> Floats:
    return _divided(sums[..., 0], sums[..., 1])


def _matthews_terms(gold: Values, guess: Values, classes: Values) -> Values:
    """Right, all, then for each class how often it is true and how often it is said."""
    right = _accuracy_terms(gold, guess, classes)
    return np.concatenate([right, gold[:, None] == classes, guess[:, None] == classes], axis=1)


def _matthews(sums: Floats) -> Floats:
    """Gorodkin's (2004) correlation."""
    right, total = sums[..., 0], sums[..., 1]
    true, said = np.split(sums[..., 2:], 2, axis=-1)
    covariance = right * total - (true * said).sum(axis=-1)
    spread = (total**2 - (true**2).sum(axis=-1)) * (total**2 - (said**2).sum(axis=-1))
    return _divided(covariance, np.sqrt(spread))


def _divided(above: Floats, below: Floats) -> Floats:
    ratio: Floats = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return ratio


# metric -> the terms [n, k] of one run, and the value [...] of their weighted sums [..., k]
SUMS: Mapping[MetricName, tuple[Terms, Callable[[Floats], Floats]]] = {
    "accuracy": (_accuracy_terms, _ratio),
    "f1": (_f1_terms, _ratio),
    "matthews": (_matthews_terms, _matthews),
}


def _correlations(name: MetricName, gold: Values, guesses: Sequence[Values], weights: Weights) -> Floats:
    """A correlation of gold scores with each run's."""
    blocks = []
    for block in _blocks(weights):
        place = CORRELATIONS[name]
        truth = _standardized(place(gold, block), block)
        runs = (_standardized(place(guess, block), block) for guess in guesses)
        blocks.append(np.stack([(block * truth * run).sum(axis=1) for run in runs], axis=1))
    values: Floats = np.clip(np.concatenate(blocks), -1.0, 1.0)
    return values


def _standardized(values: Floats, weights: Floats) -> Floats:
    """`values` [B or 1, n] centered and scaled to weighted length 1 for each row [B, n]; 0 where constant."""
    total = weights.sum(axis=1, keepdims=True)
    mean = (weights * values).sum(axis=1, keepdims=True) / total
    centered = values - mean
    length = np.sqrt((weights * centered**2).sum(axis=1, keepdims=True))
    varied = length > ROUNDING * np.sqrt(total) * np.abs(mean)
    scaled: Floats = np.divide(centered, length, out=np.zeros_like(centered), where=varied)
    return scaled


def _as_they_are(values: Values, weights: Floats) -> Floats:
    return values.astype(np.float64)[None]


def _ranks(values: Values, weights: Floats) -> Floats:
    """Mean ranks [B, n] of `values` [n], an example of weight w being there w times."""
    _, inverse, sizes = np.unique(values, return_inverse=True, return_counts=True)
    order = np.argsort(inverse, kind="stable")
    grouped = np.add.reduceat(weights[:, order], np.cumsum(sizes) - sizes, axis=1)  # of equal values
    ranks: Floats = np.cumsum(grouped, axis=1) - (grouped - 1) / 2
    return ranks[:, inverse]


CORRELATIONS: Mapping[MetricName, Callable[[Values, Floats], Floats]] = {
    "pearson": _as_they_are,
    "spearman": _ranks,
}
