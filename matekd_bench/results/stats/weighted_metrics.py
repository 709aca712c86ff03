"""The metrics on weighted examples, which scores many resamples of a dev set in a few matrix products.

With equal weights the values are those of :mod:`matekd_bench.tasks.metrics`. Undefined values are 0 here too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matekd_bench.results.stats.leave_one_out import Values
from matekd_bench.tasks.metrics import (
    ROUNDING,
    Floats,
    balanced_accuracy_of_counts,
    macro_f1_of_counts,
    matthews_of_counts,
    ratio,
)
from matekd_bench.tasks.task import MetricName

BLOCK = 1_000_000  # weights converted to float64 at a time: 8 MB, so that they stay in the CPU cache
Terms: TypeAlias = Callable[[Values, Values, Values], Values]
Weights: TypeAlias = NDArray[np.integer[Any]]  # [B, n]: how often each example is in each of B resamples


def weighted_scores(
    metrics: Sequence[MetricName], labels: ArrayLike, runs: Sequence[ArrayLike], weights: Weights
) -> Floats:
    """Compute the mean of `metrics` for each run and each row of `weights`: [B, runs].

    `labels` and the predictions of each run are class ids or scores [n]. Every row needs a weight above 0.
    """
    gold, predictions = np.asarray(labels), [np.asarray(run) for run in runs]
    values = [
        (_correlations if name in CORRELATIONS else _from_sums)(name, gold, predictions, weights)
        for name in metrics
    ]
    mean: Floats = np.mean(values, axis=0)
    return mean


def _blocks(weights: Weights) -> Iterator[Floats]:
    """Yield the weights as float64, in blocks of rows."""
    rows = max(1, BLOCK // weights.shape[1])
    for start in range(0, len(weights), rows):
        yield weights[start : start + rows].astype(np.float64)


def _from_sums(name: MetricName, gold: Values, predictions: Sequence[Values], weights: Weights) -> Floats:
    """Compute a metric that depends on sums over examples: [B, runs].

    The sums are of whole numbers, so that they are exact and the order of addition does not matter.
    """
    terms, finish = SUMS[name]
    classes = np.unique(np.concatenate([gold, *predictions]))
    columns = np.concatenate([terms(gold, run, classes) for run in predictions], axis=1, dtype=np.float64)
    sums = np.concatenate([block @ columns for block in _blocks(weights)])  # [B, runs * k]
    return finish(sums.reshape(len(weights), len(predictions), -1))


def _accuracy_terms(gold: Values, predicted: Values, classes: Values) -> Values:
    """Return for each example: predicted correctly, 1."""
    return np.stack([gold == predicted, np.ones(len(gold), dtype=bool)], axis=1)


def _f1_terms(gold: Values, predicted: Values, classes: Values) -> Values:
    """Return numerator and denominator of F1 of class 1: 2 TP and 2 TP + FP + FN."""
    either = (gold == 1).astype(np.int64) + (predicted == 1)
    return np.stack([2 * ((gold == 1) & (predicted == 1)), either], axis=1)


def _ratio(sums: Floats) -> Floats:
    return ratio(sums[..., 0], sums[..., 1])


def _matthews_terms(gold: Values, predicted: Values, classes: Values) -> Values:
    """Return for each example: predicted correctly, 1, then one-hot gold classes and one-hot predicted classes."""
    right = _accuracy_terms(gold, predicted, classes)
    return np.concatenate([right, gold[:, None] == classes, predicted[:, None] == classes], axis=1)


def _matthews(sums: Floats) -> Floats:
    """Compute the Matthews correlation of several classes (Gorodkin 2004) from the sums of `_matthews_terms`."""
    right, total = sums[..., 0], sums[..., 1]
    true, predicted = np.split(sums[..., 2:], 2, axis=-1)  # number of examples of each class
    return matthews_of_counts(right, total, true, predicted)


def _class_terms(gold: Values, predicted: Values, classes: Values) -> Values:
    """Return for each example three one-hot rows: the class if predicted correctly, gold and predicted class."""
    true, guessed = gold[:, None] == classes, predicted[:, None] == classes
    return np.concatenate([true & guessed, true, guessed], axis=1)


def _macro_f1(sums: Floats) -> Floats:
    return macro_f1_of_counts(*np.split(sums, 3, axis=-1))


def _balanced_accuracy(sums: Floats) -> Floats:
    right, true, _ = np.split(sums, 3, axis=-1)
    return balanced_accuracy_of_counts(right, true)


# metric -> function that gives the terms [n, k] of one run, function of their weighted sums [..., k] that gives [...]
SUMS: Mapping[MetricName, tuple[Terms, Callable[[Floats], Floats]]] = {
    "accuracy": (_accuracy_terms, _ratio),
    "f1": (_f1_terms, _ratio),
    "matthews": (_matthews_terms, _matthews),
    "macro-f1": (_class_terms, _macro_f1),
    "balanced-accuracy": (_class_terms, _balanced_accuracy),
}


def _correlations(name: MetricName, gold: Values, predictions: Sequence[Values], weights: Weights) -> Floats:
    """Compute the correlation of the gold scores with the scores of each run: [B, runs]."""
    blocks = []
    for block in _blocks(weights):
        transform = CORRELATIONS[name]
        truth = _standardized(transform(gold, block), block)
        runs = (_standardized(transform(run, block), block) for run in predictions)
        blocks.append(np.stack([(block * truth * run).sum(axis=1) for run in runs], axis=1))
    values: Floats = np.clip(np.concatenate(blocks), -1.0, 1.0)  # rounding can exceed 1
    return values


def _standardized(values: Floats, weights: Floats) -> Floats:
    """Center `values` [B or 1, n] and scale them to weighted length 1, for each row of `weights` [B, n].

    Rows that are constant up to rounding become 0, and so does their correlation.
    """
    total = weights.sum(axis=1, keepdims=True)
    mean = (weights * values).sum(axis=1, keepdims=True) / total
    centered = values - mean
    length = np.sqrt((weights * centered**2).sum(axis=1, keepdims=True))
    varied = length > ROUNDING * np.sqrt(total) * np.abs(mean)
    scaled: Floats = np.divide(centered, length, out=np.zeros_like(centered), where=varied)
    return scaled


def _unchanged(values: Values, weights: Floats) -> Floats:
    return values.astype(np.float64)[None]


def _ranks(values: Values, weights: Floats) -> Floats:
    """Compute the ranks [B, n] of `values` [n], where an example of weight w counts w times; ties get their mean."""
    _, inverse, sizes = np.unique(values, return_inverse=True, return_counts=True)
    order = np.argsort(inverse, kind="stable")
    grouped = np.add.reduceat(
        weights[:, order], np.cumsum(sizes) - sizes, axis=1
    )  # weight of each distinct value
    ranks: Floats = np.cumsum(grouped, axis=1) - (grouped - 1) / 2
    return ranks[:, inverse]


# metric -> transformation of values [n], given weights [B, n], whose Pearson correlation it is
CORRELATIONS: Mapping[MetricName, Callable[[Values, Floats], Floats]] = {
    "pearson": _unchanged,
    "spearman": _ranks,
}
