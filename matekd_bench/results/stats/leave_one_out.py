"""The metrics without each example in turn, and pseudo-values: what each example contributes to a score.

The jackknife of Quenouille (1956) and Tukey (1958): the pseudo-value of example i is `n m - (n - 1) m_i`, with the
metric `m` of all n examples and `m_i` of all but i. Pseudo-values behave like independent observations whose mean is
the metric, so that any metric can be analyzed as accuracy is; for accuracy they are 1 (right) and 0 (wrong).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matekd_bench.tasks.metrics import (
    METRICS,
    ROUNDING,
    Floats,
    balanced_accuracy_of_counts,
    macro_f1_of_counts,
    matthews_of_counts,
    one_hots,
    ranks,
    ratio,
)
from matekd_bench.tasks.task import MetricName

Values: TypeAlias = NDArray[Any]  # class ids or scores [n]


def pseudo_values(metrics: Sequence[MetricName], gold: Values, predicted: Values) -> Floats:
    """Compute the pseudo-values [n] of the mean of `metrics`, for labels and predictions [n] of 3 examples or more."""
    n = len(gold)
    values: Floats = np.zeros(n)
    for name in metrics:
        values += n * METRICS[name](gold, predicted) - (n - 1) * WITHOUT[name](gold, predicted)
    return values / len(metrics)


def accuracy_without(gold: Values, predicted: Values) -> Floats:
    """Compute the accuracy of all examples but each one: [n]."""
    right = (gold == predicted).astype(np.float64)
    shares: Floats = (right.sum() - right) / (len(right) - 1)
    return shares


def f1_without(gold: Values, predicted: Values) -> Floats:
    """Compute the F1 of class 1 of all examples but each one: [n]."""
    hits = ((gold == 1) & (predicted == 1)).astype(np.float64)
    either = (gold == 1).astype(np.float64) + (predicted == 1)
    return ratio(2 * (hits.sum() - hits), either.sum() - either)


def matthews_without(gold: Values, predicted: Values) -> Floats:
    """Compute the Matthews correlation of all examples but each one: [n]."""
    right, true, guessed = _counts_without(gold, predicted)
    return matthews_of_counts(right.sum(axis=1), true.sum(axis=1), true, guessed)


def macro_f1_without(gold: Values, predicted: Values) -> Floats:
    """Compute the macro F1 of all examples but each one: [n]; a class disappears without its only example."""
    return macro_f1_of_counts(*_counts_without(gold, predicted))


def balanced_accuracy_without(gold: Values, predicted: Values) -> Floats:
    """Compute the balanced accuracy of all examples but each one: [n]."""
    right, true, _ = _counts_without(gold, predicted)
    return balanced_accuracy_of_counts(right, true)


def _counts_without(gold: Values, predicted: Values) -> list[Floats]:
    """Count, without each example, those of each class that are right, gold and predicted: three arrays [n, C]."""
    return [one_hot.sum(axis=0) - one_hot for one_hot in one_hots(gold, predicted)]


def pearson_without(gold: Values, predicted: Values) -> Floats:
    """Compute Pearson's correlation of all examples but each one: [n].

    Without example i the sum of the products of deviations falls by `n / (n - 1) * dx_i * dy_i`, as the means move too.
    """
    n = len(gold)
    dx, dy = (side - side.mean() for side in (gold.astype(np.float64), predicted.astype(np.float64)))
    xy, xx, yy = ((a @ b) - n / (n - 1) * a * b for a, b in ((dx, dy), (dx, dx), (dy, dy)))
    return _correlation(xy, xx, yy, dx @ dx, dy @ dy)


def spearman_without(gold: Values, predicted: Values) -> Floats:
    """Compute Spearman's correlation of all examples but each one: [n].

    Without example i, ranks above its own fall by 1, and ranks tied with it fall by 1/2.
    """
    n, x, y = len(gold), ranks(gold), ranks(predicted)
    above_x, above_y = _sums_above(x, y), _sums_above(y, x)
    xy = x @ y - x * y - above_x - above_y + _joint_falls(x, y)
    xx, yy = (side @ side - side**2 - 2 * _sums_above(side, side) + _squared_falls(side) for side in (x, y))
    squared_mean = (n - 1) * (n / 2) ** 2  # of n - 1 ranks, whose mean is n / 2
    spread = n * (n**2 - 1) / 12
    return _correlation(xy - squared_mean, xx - squared_mean, yy - squared_mean, spread, spread)


def _correlation(xy: Floats, xx: Floats, yy: Floats, all_xx: float, all_yy: float) -> Floats:
    """Divide; 0 if a side no longer varies (up to rounding) once the example is left out."""
    varied = (xx > ROUNDING * all_xx) & (yy > ROUNDING * all_yy)
    product = np.where(varied, xx * yy, 0.0)
    values: Floats = np.clip(ratio(xy, np.sqrt(product)), -1.0, 1.0)
    return values


def _sums_above(side: Floats, weights: Floats) -> Floats:
    """Sum, for each example, how far the ranks of the others fall without it, times their `weights`: [n]."""
    _, group = np.unique(side, return_inverse=True)
    totals = np.bincount(group, weights)
    above = totals[::-1].cumsum()[::-1] - totals
    sums: Floats = above[group] + (totals[group] - weights) / 2
    return sums


def _squared_falls(side: Floats) -> Floats:
    """Sum, for each example, the squares of how far the ranks of the others fall without it: [n]."""
    _, group, sizes = np.unique(side, return_inverse=True, return_counts=True)
    above = sizes[::-1].cumsum()[::-1] - sizes
    squares: Floats = above[group] + (sizes[group] - 1) / 4
    return squares


def _joint_falls(x: Floats, y: Floats) -> Floats:
    """Sum, for each example, the products of how far both ranks of each other example fall without it: [n]."""
    n = len(x)
    x_ids, y_ids = (np.unique(side, return_inverse=True)[1].astype(np.int64) for side in (x, y))
    above_x = _count_higher(np.sort(y_ids * n + x_ids), y_ids, x_ids, n)  # of the examples with the same y
    above_y = _count_higher(np.sort(x_ids * n + y_ids), x_ids, y_ids, n)
    _, pair, equal = np.unique(x_ids * n + y_ids, return_inverse=True, return_counts=True)
    # a fall is 1 for a rank above and 1/2 for a tie; each example ties with itself
    joint: Floats = _count_above_both(x_ids, y_ids) + (above_x + above_y) / 2 + (equal[pair] - 1) / 4
    return joint


def _count_above_both(x_ids: Values, y_ids: Values) -> Values:
    """Count, for each example, those above it in both x and y: [n], in O(n log^2 n).

    It counts as a merge sort counts inversions. With the examples in the order of x, in blocks of 2, 4, 8, ..., each
    example of a block's left half counts those of its right half with a higher y.
    """
    n = len(x_ids)
    order = np.lexsort((-y_ids, x_ids))  # of equal x, the higher y first, so that none counts another
    values, positions = y_ids[order], np.arange(n)
    counts = np.zeros(n, dtype=np.int64)
    size = 1
    while size < n:
        block, half = np.divmod(positions // size, 2)
        left, right = half == 0, half == 1
        rights = np.sort(block[right] * n + values[right])
        counts[left] += _count_higher(rights, block[left], values[left], n)
        size *= 2
    above = np.empty_like(counts)
    above[order] = counts
    return above


def _count_higher(keys: Values, groups: Values, values: Values, n: int) -> Values:
    """Count, for each of `values` (below n), the higher values in its group; `keys` are `group * n + value`, sorted."""
    return np.searchsorted(keys, (groups + 1) * n) - np.searchsorted(keys, groups * n + values, side="right")


WITHOUT: Mapping[MetricName, Callable[[Values, Values], Floats]] = {
    "accuracy": accuracy_without,
    "f1": f1_without,
    "matthews": matthews_without,
    "pearson": pearson_without,
    "spearman": spearman_without,
    "macro-f1": macro_f1_without,
    "balanced-accuracy": balanced_accuracy_without,
}
