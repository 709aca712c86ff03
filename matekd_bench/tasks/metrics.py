"""Computes the metrics of GLUE and metrics for skewed classes, and from them the score of a split and of a task.

An undefined F1, Matthews, Pearson or Spearman has the value 0, never NaN. Predictions that are all the same are
flagged as collapsed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matekd_bench.errors import DataError, RunError
from matekd_bench.tasks.task import MetricName, Task, TaskData

Floats: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = Sequence[int] | Sequence[float] | NDArray[np.int64] | Floats

ROUNDING = (
    1e-13  # float64 values with a smaller relative spread differ only by rounding; scipy's threshold too
)


@dataclass(frozen=True)
class SplitScore:
    """The result of a model on one split of `n` rows: each metric and their mean, `score`.

    `collapsed` is True if the model gave the same prediction for every row.
    """

    split: str
    metrics: Mapping[str, float]
    score: float
    collapsed: bool
    n: int


def accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the share of rows [n] whose predicted class is the gold class."""
    gold, guess = _pair(labels, predictions)
    return float(np.mean(gold == guess))


def f1(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the F1 of class 1, the harmonic mean of precision and recall; 0 without gold or predicted class 1."""
    gold, guess = _pair(labels, predictions)
    hits = np.sum((gold == 1) & (guess == 1))
    either = np.sum(gold == 1) + np.sum(guess == 1)
    return float(2 * hits / either) if either else 0.0


def matthews(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the Matthews correlation of any number of classes (Gorodkin 2004); 0 if either side has one class."""
    right, true, predicted = (one_hot.sum(axis=0) for one_hot in one_hots(*_pair(labels, predictions)))
    return float(matthews_of_counts(right.sum(), true.sum(), true, predicted))


def macro_f1(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the mean F1 of the classes that occur as gold or predicted class, all with the same weight.

    Source: the "averaged F1" of Opitz & Burst (2019), which scikit-learn also computes.
    """
    counts = (one_hot.sum(axis=0) for one_hot in one_hots(*_pair(labels, predictions)))
    return float(macro_f1_of_counts(*counts))


def balanced_accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the mean recall of the gold classes, all with the same weight; without information it is 1 / classes.

    Source: Brodersen, Ong, Stephan & Buhmann (2010) for two classes; scikit-learn generalizes it in the same way.
    """
    right, true, _ = (one_hot.sum(axis=0) for one_hot in one_hots(*_pair(labels, predictions)))
    return float(balanced_accuracy_of_counts(right, true))


def one_hots(gold: NDArray[np.generic], predicted: NDArray[np.generic]) -> tuple[Floats, Floats, Floats]:
    """Return for n examples and the C classes that occur whether each is right, gold and predicted class: [n, C]."""
    classes = np.unique(np.concatenate([gold, predicted]))
    true, guessed = ((side[:, None] == classes).astype(np.float64) for side in (gold, predicted))
    return true * guessed, true, guessed


def matthews_of_counts(right: Floats, total: Floats, true: Floats, predicted: Floats) -> Floats:
    """Return the Matthews correlations [...] from counts of examples; 0 if undefined.

    `right` counts the correct and `total` all examples [...]; `true` counts the gold and `predicted` the predicted
    examples of each class [..., C].

    Source: Gorodkin (2004); this is R_K.
    """
    covariance = right * total - (true * predicted).sum(axis=-1)
    variances = (total**2 - (predicted**2).sum(axis=-1)) * (total**2 - (true**2).sum(axis=-1))
    return ratio(covariance, np.sqrt(variances))


def macro_f1_of_counts(right: Floats, true: Floats, predicted: Floats) -> Floats:
    """Return the mean F1 [...] over the classes that occur, from counts of examples of each class [..., C].

    `right` counts the correct, `true` the gold and `predicted` the predicted examples of a class.
    """
    either = true + predicted
    return ratio(ratio(2 * right, either).sum(axis=-1), (either > 0).sum(axis=-1, dtype=np.float64))


def balanced_accuracy_of_counts(right: Floats, true: Floats) -> Floats:
    """Return the mean recall [...] over the gold classes, from counts of examples of each class [..., C].

    `right` counts the correct and `true` the gold examples of a class.
    """
    return ratio(ratio(right, true).sum(axis=-1), (true > 0).sum(axis=-1, dtype=np.float64))


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divide; return 0 if the denominator is 0, because an undefined metric counts as 0."""
    values: Floats = np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
    return values


def pearson(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return Pearson's correlation of gold and predicted scores [n]; 0 if either is constant up to rounding."""
    gold, guess = _pair(labels, predictions)
    x, y = _centered(gold), _centered(guess)
    if x is None or y is None:
        return 0.0
    return float(np.clip(x @ y, -1.0, 1.0))


def spearman(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return Spearman's correlation: Pearson's of the ranks, with mean ranks for ties; 0 if either is constant."""
    gold, guess = _pair(labels, predictions)
    return pearson(ranks(gold), ranks(guess))


METRICS: Mapping[MetricName, Callable[[ArrayLike, ArrayLike], float]] = {
    "accuracy": accuracy,
    "f1": f1,
    "matthews": matthews,
    "pearson": pearson,
    "spearman": spearman,
    "macro-f1": macro_f1,
    "balanced-accuracy": balanced_accuracy,
}


def predictions_of(task: Task, logits: ArrayLike) -> NDArray[np.int64] | Floats:
    """Return class ids [n] from logits [n, C], or scores [n] from regression outputs [n, 1] or [n].

    Raises RunError for NaN or infinity, ValueError for another shape.
    """
    outputs = np.asarray(logits, dtype=np.float64)
    if task.kind == "regression" and outputs.ndim == 1:
        outputs = outputs[:, None]
    if outputs.ndim != 2 or outputs.shape[1] != task.outputs:
        raise ValueError(f"{task.name} needs logits of shape [n, {task.outputs}], not {list(outputs.shape)}")
    if not np.all(np.isfinite(outputs)):
        raise RunError(f"{task.name}: the logits hold NaN or infinity.")
    return outputs[:, 0] if task.kind == "regression" else outputs.argmax(axis=1)


def score_predictions(task: Task, labels: Labels | None, predictions: ArrayLike, split: str) -> SplitScore:
    """Return the task's metrics of predicted class ids or scores [n]; raise DataError without labels or rows."""
    if labels is None:
        raise DataError(f"{task.name} {split} has no labels, so no metric can be computed on it.")
    guess = np.asarray(predictions)
    if len(guess) == 0:
        raise DataError(f"{task.name} {split} has no rows, so no metric can be computed on it.")
    metrics = dict(_named_value(task, name, labels, guess) for name in task.metrics)
    return SplitScore(split, metrics, float(np.mean(list(metrics.values()))), is_constant(guess), len(guess))


def _named_value(task: Task, name: str, labels: ArrayLike, guess: NDArray[np.generic]) -> tuple[str, float]:
    """Return a metric's name in records and its value; raise RunError for a value that is not a score."""
    if name not in task.library_metrics:
        return name, METRICS[cast("MetricName", name)](labels, guess)
    metric = task.library_metrics[name]
    value = metric.compute(labels, guess)
    if np.isnan(value) and is_constant(guess):
        value = 0.0  # undefined, as for the metrics here
    if not -1 <= value <= 1:
        raise RunError(
            f"metric '{name}' gave {value:g} on {task.name}: a score must be a number from -1 to 1."
        )
    return metric.recorded_name, value


def check_library_metrics(data: TaskData) -> None:
    """Compute the metrics that `evaluate` loads on perfect and on constant predictions of every dev split.

    Raises DataError for a value that is not a score, and for a metric for which perfect predictions are not the best.
    """
    task = data.task
    for name, dev in ((name, dev) for name in task.library_metrics for dev in data.dev):
        gold = np.asarray(dev.gold)
        constants = [np.full_like(gold, value) for value in (gold.min(), gold.max())]
        try:
            perfect, *others = (_named_value(task, name, gold, guess)[1] for guess in (gold, *constants))
        except RunError as error:
            raise DataError(error.message) from error
        if perfect <= min(others) and not is_constant(gold):
            raise DataError(
                f"metric '{name}' gives perfect predictions of {task.name} {dev.split} the score {perfect:g}, but "
                f"constant ones {max(others):g}: a better prediction must have a higher score."
            )


def is_constant(predictions: NDArray[np.generic]) -> bool:
    """Return True if predicted class ids or scores [n] are all the same; scores up to rounding."""
    return _centered(predictions) is None


def score_split(task: Task, labels: Labels | None, logits: ArrayLike, split: str = "dev") -> SplitScore:
    """Return the task's metrics of logits [n, C] (regression: [n, 1] or [n]) against class ids or gold scores [n].

    Raises DataError for an unlabeled split, RunError for logits that are not finite.
    """
    return score_predictions(task, labels, predictions_of(task, logits), split)


def task_score(splits: Sequence[SplitScore]) -> float:
    """Return the mean score of a task's dev splits; for MNLI the mean of matched and mismatched accuracy."""
    if not splits:
        raise ValueError("a task's score needs at least one split")
    return float(np.mean([split.score for split in splits]))


def majority_score(task: Task, train_labels: Labels, *dev_labels: Labels) -> float:
    """Return the score of always predicting the most frequent class of train; 0 for a regression.

    `dev_labels` are the gold labels of each dev split. Of equally frequent classes the first one counts.
    """
    if task.kind == "regression":
        return 0.0
    majority = int(np.bincount(np.asarray(train_labels, dtype=np.int64)).argmax())
    return task_score(
        [score_predictions(task, labels, np.full(len(labels), majority), "dev") for labels in dev_labels]
    )


def majority_score_of(data: TaskData) -> float:
    """Return the :func:`majority_score` of a task's data."""
    labels = () if data.train is None else data.train.gold
    return majority_score(data.task, labels, *(dev.gold for dev in data.dev))


def _pair(labels: ArrayLike, predictions: ArrayLike) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """Return gold labels and predictions as arrays [n]; raise ValueError if their shapes do not match."""
    gold, guess = np.asarray(labels), np.asarray(predictions)
    if gold.ndim != 1 or gold.shape != guess.shape or not len(gold):
        raise ValueError(
            f"labels {list(gold.shape)} and predictions {list(guess.shape)} must match, one per row"
        )
    return gold, guess


def ranks(values: NDArray[np.generic]) -> Floats:
    """Return the ranks [n] of values [n], from 1; ties get their mean rank."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = np.cumsum(sizes) - (sizes - 1) / 2
    return ranks[group]


def _constant(values: NDArray[np.generic]) -> bool:
    return bool(np.all(values == values[0]))


def _centered(values: NDArray[np.generic]) -> Floats | None:
    """Return `values` [n] minus their mean, scaled to length 1; None if they are constant up to rounding."""
    numbers = values.astype(np.float64)
    centered: Floats = numbers - numbers.mean()
    length = float(np.linalg.norm(centered))
    if _constant(numbers) or length <= ROUNDING * abs(float(numbers.mean())):
        return None
    scaled: Floats = centered / length
    return scaled
