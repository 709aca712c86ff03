"""Metrics of GLUE from labels and logits, and the metric without each example in turn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import scipy.stats

Array = npt.NDArray[np.float64]
CORRELATIONS = ("pearson", "spearman")


def answers(logits: npt.NDArray[np.float32], metric_names: tuple[str, ...]) -> Array:
    """Predicted scores of a regression, classes of a classification (of equal logits the first)."""
    chosen = logits[:, 0] if set(metric_names) <= set(CORRELATIONS) else logits.argmax(1)
    return np.asarray(chosen, dtype=float)


def value(name: str, labels: Array, predicted: Array) -> float:
    """One metric; 0 where it is not defined."""
    if name in CORRELATIONS:
        return _correlation(name, labels, predicted)
    return TABLE_METRICS[name](_confusion(labels, predicted))


def without_each(name: str, labels: Array, predicted: Array) -> Array:
    """The metric of all examples but i, for every i."""
    if name in CORRELATIONS:
        rows = range(len(labels))
        return np.array([value(name, np.delete(labels, i), np.delete(predicted, i)) for i in rows])
    return _table_without_each(name, labels.astype(int), predicted.astype(int))


def pseudo_values(name: str, labels: Array, predicted: Array) -> Array:
    """What each example contributes to the metric: the jackknife's pseudo-values `N M - (N - 1) M_i`."""
    n = len(labels)
    return n * value(name, labels, predicted) - (n - 1) * without_each(name, labels, predicted)


def _correlation(name: str, labels: Array, predicted: Array) -> float:
    if len(labels) < 2 or not np.ptp(labels) or not np.ptp(predicted):
        return 0.0
    if name == "spearman":
        labels, predicted = scipy.stats.rankdata(labels), scipy.stats.rankdata(predicted)
    x, y = labels - labels.mean(), predicted - predicted.mean()
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def _confusion(labels: Array, predicted: Array) -> Array:
    classes = int(max(labels.max(), predicted.max())) + 1
    table = np.zeros((classes, classes))
    np.add.at(table, (labels.astype(int), predicted.astype(int)), 1)
    return table


def _table_without_each(name: str, labels: npt.NDArray[np.int_], predicted: npt.NDArray[np.int_]) -> Array:
    """These metrics see only the counts of (label, answer), so that examples of one cell leave the same rest."""
    table, rests = _confusion(labels.astype(float), predicted.astype(float)), np.zeros(len(labels))
    for label, answer in {*zip(labels.tolist(), predicted.tolist(), strict=True)}:
        rest = table.copy()
        rest[label, answer] -= 1
        rests[(labels == label) & (predicted == answer)] = TABLE_METRICS[name](rest)
    return rests


def _accuracy(table: Array) -> float:
    return float(table.trace() / table.sum()) if table.sum() else 0.0


def _f1(table: Array) -> float:
    """F1 of class 1 of two."""
    if len(table) < 2:
        return 0.0
    named = table[1, :].sum() + table[:, 1].sum()
    return float(2 * table[1, 1] / named) if named else 0.0


def _matthews(table: Array) -> float:
    """Gorodkin's correlation of any number of classes."""
    total, true, named = table.sum(), table.sum(1), table.sum(0)
    spread = (total**2 - named @ named) * (total**2 - true @ true)
    return float((table.trace() * total - true @ named) / np.sqrt(spread)) if spread else 0.0


TABLE_METRICS: dict[str, Callable[[Array], float]] = {
    "accuracy": _accuracy,
    "f1": _f1,
    "matthews": _matthews,
}
