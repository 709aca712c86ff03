"""The metrics of GLUE, and the scores of a split and of a task that are made of them.

Conventions where a metric is undefined: F1, Matthews, Pearson and Spearman are 0, never NaN, and predictions
that are all the same are flagged as collapsed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matekd_bench.errors import DataError, RunError
from matekd_bench.tasks.task import MetricName, Task

Floats: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = Sequence[int] | Sequence[float] | NDArray[np.int64] | Floats

ROUNDING = 1e-13  # relative spread below which float64 values differ by rounding only; scipy's threshold too


@dataclass(frozen=True)
class SplitScore:
    """How a model did on one split: each metric, their mean, and whether it gave one answer for every row."""

    split: str
    metrics: Mapping[str, float]
    score: float
    collapsed: bool
    n: int


def accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Share of rows [n] whose predicted class is the gold one."""
    gold, guess = _pair(labels, predictions)
    return float(np.mean(gold == guess))


def f1(labels: ArrayLike, predictions: ArrayLike) -> float:
    """F1 of class 1: harmonic mean of precision and recall; 0 where it is neither there nor predicted."""
    gold, guess = _pair(labels, predictions)
    hits = np.sum((gold == 1) & (guess == 1))
    either = np.sum(gold == 1) + np.sum(guess == 1)
    return float(2 * hits / either) if either else 0.0


def matthews(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Matthews correlation of any number of classes (Gorodkin 2004); 0 where either side has one class."""
    from sklearn.metrics import matthews_corrcoef

    gold, guess = _pair(labels, predictions)
    if _constant(gold) or _constant(guess):
        return 0.0
    return float(matthews_corrcoef(gold, guess))


def pearson(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Pearson's correlation of gold and predicted scores [n]; 0 where either is constant up to rounding."""
    gold, guess = _pair(labels, predictions)
    x, y = _centered(gold), _centered(guess)
    if x is None or y is None:
        return 0.0
    return float(np.clip(x @ y, -1.0, 1.0))


def spearman(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Spearman's correlation: Pearson's of the ranks, ties at their mean rank; 0 where either is constant."""
    from scipy.stats import rankdata

    gold, guess = _pair(labels, predictions)
    return pearson(rankdata(gold), rankdata(guess))


METRICS: Mapping[MetricName, Callable[[ArrayLike, ArrayLike], float]] = {
    "accuracy": accuracy,
    "f1": f1,
    "matthews": matthews,
    "pearson": pearson,
    "spearman": spearman,
}


def predictions_of(task: Task, logits: ArrayLike) -> NDArray[np.int64] | Floats:
    """Class ids [n] from logits [n, C], or scores [n] from the regression's outputs [n, 1] or [n].

    Raises RunError for NaN or infinity, ValueError for another shape.
    """
    outputs = np.asarray(logits, dtype=np.float64)
    if task.kind == "regression" and outputs.ndim == 1:
        outputs = outputs[:, None]
    if outputs.ndim != 2 or outputs.shape[1] != task.outputs:
        raise ValueError(f"{task.name} takes logits of shape [n, {task.outputs}], not {list(outputs.shape)}")
    if not np.all(np.isfinite(outputs)):
        raise RunError(f"{task.name}: the logits hold NaN or infinity.")
    return outputs[:, 0] if task.kind == "regression" else outputs.argmax(axis=1)


def score_predictions(task: Task, labels: Labels | None, predictions: ArrayLike, split: str) -> SplitScore:
    """The task's metrics of class ids or scores [n]. Raises DataError without labels or rows."""
    if labels is None:
        raise DataError(f"{task.name} {split} has no labels, so no metric can be computed on it.")
    guess = np.asarray(predictions)
    if len(guess) == 0:
        raise DataError(f"{task.name} {split} has no rows, so no metric can be computed on it.")
    metrics: dict[str, float] = {name: METRICS[name](labels, guess) for name in task.metrics}
    collapsed = _centered(guess) is None if task.kind == "regression" else _constant(guess)
    return SplitScore(split, metrics, float(np.mean(list(metrics.values()))), collapsed, len(guess))


def score_split(task: Task, labels: Labels | None, logits: ArrayLike, split: str = "dev") -> SplitScore:
    """The task's metrics of logits [n, C] (regression: [n, 1] or [n]) against class ids or gold scores [n].

    Raises DataError for an unlabeled split, RunError for logits that are not finite.
    """
    return score_predictions(task, labels, predictions_of(task, logits), split)


def task_score(splits: Sequence[SplitScore]) -> float:
    """The mean over a task's dev splits of their scores: for MNLI of matched and mismatched accuracy."""
    if not splits:
        raise ValueError("a task's score is made of one split or more")
    return float(np.mean([split.score for split in splits]))


def majority_score(task: Task, train_labels: Labels, *dev_labels: Labels) -> float:
    """The task's score of always predicting the most frequent class of train; 0 for a regression.

    One sequence of gold labels for each dev split; of equally frequent classes the first is taken.
    """
    if task.kind == "regression":
        return 0.0
    majority = int(np.bincount(np.asarray(train_labels, dtype=np.int64)).argmax())
    return task_score(
        [score_predictions(task, labels, np.full(len(labels), majority), "dev") for labels in dev_labels]
    )


def _pair(labels: ArrayLike, predictions: ArrayLike) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    gold, guess = np.asarray(labels), np.asarray(predictions)
    if gold.ndim != 1 or gold.shape != guess.shape or not len(gold):
        raise ValueError(
            f"labels {list(gold.shape)} and predictions {list(guess.shape)} must match, one a row"
        )
    return gold, guess


def _constant(values: NDArray[np.generic]) -> bool:
    return bool(np.all(values == values[0]))


def _centered(values: NDArray[np.generic]) -> Floats | None:
    """`values` [n] less their mean, scaled to length 1; None where they are constant up to rounding."""
    numbers = values.astype(np.float64)
    centered: Floats = numbers - numbers.mean()
    length = float(np.linalg.norm(centered))
    if _constant(numbers) or length <= ROUNDING * abs(float(numbers.mean())):
        return None
    scaled: Floats = centered / length
    return scaled
