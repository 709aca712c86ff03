"""Metrics agree with scikit-learn and scipy, on random and on degenerate input, and are never NaN."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, matthews_corrcoef

from matekd_bench.errors import DataError, RunError
from matekd_bench.tasks.metrics import (
    METRICS,
    accuracy,
    balanced_accuracy,
    f1,
    macro_f1,
    majority_score,
    matthews,
    pearson,
    predictions_of,
    score_split,
    spearman,
    task_score,
)
from matekd_tasks import matekd_bench_tasks

TASKS = {task.name: task for task in matekd_bench_tasks()}
PAIRS: list[tuple[Callable[..., float], Callable[..., Any]]] = [
    (accuracy, accuracy_score),
    (f1, lambda y, p: f1_score(y, p, labels=[1], average="macro", zero_division=0.0)),
    (matthews, matthews_corrcoef),
    (macro_f1, lambda y, p: f1_score(y, p, average="macro", zero_division=0.0)),
    (balanced_accuracy, balanced_accuracy_score),
]
BINARY_EDGES = [
    ([0, 1, 0, 1], [1, 1, 1, 1]),
    ([0, 1, 0, 1], [0, 0, 0, 0]),
    ([0, 0, 0], [0, 0, 0]),
    ([1, 1, 1], [1, 1, 1]),
    ([1, 1, 1], [0, 0, 0]),
    ([0], [1]),
    ([0, 1], [1, 0]),
    ([0, 1], [0, 1]),
]


RANDOM = [np.random.default_rng(0).integers(n, size=(2, size)) for n in (2, 3) for size in (2, 10, 500)]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@pytest.mark.parametrize(("gold", "guess"), [*RANDOM, *BINARY_EDGES])
def test_classification_parity_on_random_and_degenerate_input(
    ours: Callable[..., float], theirs: Callable[..., Any], gold: Any, guess: Any
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns where a class is absent
        expected = float(theirs(gold, guess))
    assert ours(gold, guess) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("ours", "theirs"), [(pearson, pearsonr), (spearman, spearmanr)])
@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_correlation_parity_on_random_input_with_ties(
    ours: Callable[..., float], theirs: Callable[..., Any], decimals: int
) -> None:
    rng = np.random.default_rng(1)
    for size in (5, 50, 1500):
        gold = rng.uniform(0, 5, size).round(decimals)
        guess = (gold + rng.normal(0, 2, size)).round(decimals)
        assert ours(gold, guess) == pytest.approx(float(theirs(gold, guess).statistic), abs=1e-12)


@pytest.mark.parametrize("metric", [pearson, spearman])
def test_a_constant_correlates_with_nothing(metric: Callable[..., float]) -> None:
    assert metric([1.0, 2.0, 3.0], [2.5, 2.5, 2.5]) == 0.0
    assert metric([2.0, 2.0, 2.0], [1.0, 2.0, 3.0]) == 0.0
    assert metric([2.0], [1.0]) == 0.0


def test_predictions_that_differ_by_rounding_only_are_constant() -> None:
    guess = [0.1 + 0.2, 0.3, 0.3]
    assert guess[0] != guess[1]
    assert pearson([1.0, 2.0, 3.0], guess) == 0.0
    assert score_split(TASKS["stsb"], [1.0, 2.0, 3.0], np.array(guess)).collapsed


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=20))
def test_no_metric_is_ever_nan_or_out_of_range(pairs: list[tuple[int, int]]) -> None:
    gold, guess = zip(*pairs, strict=True)
    for metric in METRICS.values():
        assert -1.0 <= metric(gold, guess) <= 1.0


@pytest.mark.parametrize("metric", METRICS.values())
def test_lengths_must_match(metric: Callable[..., float]) -> None:
    with pytest.raises(ValueError, match="must match"):
        metric([0, 1], [0])
    with pytest.raises(ValueError, match="must match"):
        metric([], [])


def test_score_is_the_mean_of_a_tasks_metrics() -> None:
    logits = np.array([[2.0, 1.0], [0.0, 1.0], [0.0, 3.0], [5.0, 4.0]])
    score = score_split(TASKS["mrpc"], [0, 1, 0, 0], logits, "dev")
    assert score.metrics == {"accuracy": 0.75, "f1": pytest.approx(2 / 3)}
    assert score.score == pytest.approx((0.75 + 2 / 3) / 2)
    assert (score.split, score.collapsed, score.n) == ("dev", False, 4)


def test_one_class_and_a_constant_regression_are_collapsed_with_score_zero() -> None:
    score = score_split(TASKS["cola"], [0, 1, 1], np.array([[0.0, 1.0]] * 3))
    assert (score.score, score.collapsed) == (0.0, True)
    score = score_split(TASKS["stsb"], [1.0, 2.0], np.full((2, 1), 2.5, dtype=np.float32))
    assert (score.metrics, score.collapsed) == ({"pearson": 0.0, "spearman": 0.0}, True)


def test_regression_takes_a_column_or_a_vector() -> None:
    outputs = np.array([0.5, 3.0, 2.0])
    column = score_split(TASKS["stsb"], [0.0, 5.0, 1.0], outputs[:, None])
    assert column == score_split(TASKS["stsb"], [0.0, 5.0, 1.0], outputs)
    assert column.metrics["spearman"] == pytest.approx(1.0)


def test_mnli_is_the_mean_of_its_two_dev_sets_whatever_their_sizes() -> None:
    mnli = TASKS["mnli"]
    logits = np.eye(3)
    matched = score_split(mnli, [0, 1, 2], logits, "dev-matched")
    mismatched = score_split(mnli, [1], logits[:1], "dev-mismatched")
    assert task_score([matched, mismatched]) == 0.5


def test_nothing_and_unlabeled_data_have_no_score() -> None:
    with pytest.raises(ValueError, match="split"):
        task_score([])
    with pytest.raises(DataError, match="rows"):
        score_split(TASKS["rte"], [], np.zeros((0, 2)))
    with pytest.raises(DataError, match="rte test"):
        score_split(TASKS["rte"], None, np.zeros((2, 2)), "test")


def test_logits_of_the_wrong_shape_or_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[n, 3\].*\[4, 2\]"):
        predictions_of(TASKS["mnli"], np.zeros((4, 2)))
    with pytest.raises(RunError, match="NaN"):
        predictions_of(TASKS["rte"], np.array([[np.nan, 1.0]]))


def test_macro_f1_and_balanced_accuracy_by_their_definitions() -> None:
    """Three classes, of which one is never predicted and another never right, summed class by class."""
    gold, guess = np.array([0, 0, 0, 0, 1, 1, 2]), np.array([0, 0, 0, 1, 1, 3, 1])
    precision, recall = {0: 1.0, 1: 1 / 3}, {0: 3 / 4, 1: 1 / 2}
    f1s = [2 * precision[c] * recall[c] / (precision[c] + recall[c]) for c in (0, 1)]
    assert macro_f1(gold, guess) == pytest.approx(sum(f1s) / 4, abs=1e-15)  # classes 0 to 3
    assert balanced_accuracy(gold, guess) == pytest.approx((3 / 4 + 1 / 2 + 0) / 3, abs=1e-15)
    assert balanced_accuracy(gold, np.zeros(7)) == pytest.approx(1 / 3)


def test_majority_score() -> None:
    assert majority_score(TASKS["rte"], [1, 1, 0], [1, 0, 0, 0]) == 0.25
    assert majority_score(TASKS["cola"], [1, 1, 0], [1, 0, 0]) == 0.0
    assert majority_score(TASKS["stsb"], [1.5, 2.5], [1.0, 2.0]) == 0.0
    assert majority_score(TASKS["mnli"], [2, 2, 0], [2, 2], [0, 2]) == 0.75
    assert majority_score(TASKS["mrpc"], [1, 0, 1], [1, 1, 0]) == pytest.approx((2 / 3 + 0.8) / 2)
