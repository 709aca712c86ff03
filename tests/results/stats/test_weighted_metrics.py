"""Weighted metrics are the plain ones on the examples written out."""

from __future__ import annotations

import numpy as np
import pytest

from matekd_bench.results.stats import weighted_metrics
from matekd_bench.results.stats.weighted_metrics import weighted_scores
from matekd_bench.tasks.metrics import METRICS
from matekd_bench.tasks.task import MetricName

RNG = np.random.default_rng(0)
CLASSES: tuple[MetricName, ...] = ("accuracy", "f1", "matthews", "macro-f1", "balanced-accuracy")
SCORES: tuple[MetricName, ...] = ("pearson", "spearman")


def check(metric: MetricName, gold: np.ndarray, runs: list[np.ndarray], weights: np.ndarray) -> None:
    found = weighted_scores([metric], gold, runs, weights)
    assert found.shape == (len(weights), len(runs))
    for row, values in zip(weights, found, strict=True):
        for guess, value in zip(runs, values, strict=True):
            expected = METRICS[metric](np.repeat(gold, row), np.repeat(guess, row))
            assert value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", CLASSES)
@pytest.mark.parametrize("classes", [2, 3])
def test_classes(metric: MetricName, classes: int) -> None:
    gold = RNG.integers(classes, size=60)
    runs = [RNG.integers(classes, size=60), gold, np.zeros(60, dtype=int), np.full(60, 7)]
    weights = RNG.multinomial(60, np.full(60, 1 / 60), size=20)
    check(metric, gold, runs, np.vstack([weights, np.ones(60, dtype=int)]))


@pytest.mark.parametrize("metric", SCORES)
def test_scores_with_ties(metric: MetricName) -> None:
    gold = RNG.integers(6, size=50) / 2
    runs = [gold + RNG.normal(size=50), np.round(gold + RNG.normal(size=50)), -gold, np.full(50, 0.1)]
    weights = RNG.multinomial(50, np.full(50, 1 / 50), size=20)
    check(metric, gold, runs, np.vstack([weights, np.ones(50, dtype=int)]))


@pytest.mark.parametrize("metric", [*CLASSES, *SCORES])
def test_resamples_that_hold_one_value_score_as_the_metric_says(metric: MetricName) -> None:
    gold, guess = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    weights = np.array([[4, 0, 0, 0], [0, 0, 0, 4], [0, 3, 0, 0], [1, 1, 0, 0], [0, 0, 2, 1]])
    check(metric, gold, [guess], weights)


def test_the_mean_of_several_metrics_and_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    gold, guess = RNG.integers(2, size=(2, 40))
    weights = RNG.integers(1, 4, size=(9, 40)).astype(np.uint8)
    whole = weighted_scores(["accuracy", "f1"], gold, [guess], weights)
    parts = [weighted_scores([name], gold, [guess], weights) for name in ("accuracy", "f1")]
    assert whole == pytest.approx((parts[0] + parts[1]) / 2)
    scores = weighted_scores(["spearman"], gold, [guess], weights)
    monkeypatch.setattr(weighted_metrics, "BLOCK", 100)
    assert np.array_equal(weighted_scores(["accuracy", "f1"], gold, [guess], weights), whole)
    assert np.array_equal(weighted_scores(["spearman"], gold, [guess], weights), scores)
