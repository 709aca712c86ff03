"""The metrics without each example: against leaving it out and scoring the rest."""

from __future__ import annotations

import numpy as np
import pytest

from matekd_bench.results.stats.leave_one_out import WITHOUT, pseudo_values
from matekd_bench.tasks.metrics import METRICS


@pytest.mark.parametrize("name", METRICS)
def test_each_example_left_out_and_the_rest_scored(name: str) -> None:
    rng = np.random.default_rng(1)
    for n in (3, 4, 9, 40):
        classes = rng.integers(3, size=n)
        scores = rng.integers(0, 9, size=n) / 2
        pairs = [
            (classes, np.where(rng.random(n) < 0.6, classes, rng.integers(3, size=n))),
            (scores, scores + rng.normal(size=n)),
            (scores, rng.integers(0, 4, size=n) / 2),  # ties on both sides
            (scores, np.eye(n)[0]),  # constant without the first
            (scores, np.full(n, 2.5)),
        ]
        for gold, predicted in pairs[1:] if name in ("pearson", "spearman") else pairs[:1]:
            expected = [METRICS[name](np.delete(gold, i), np.delete(predicted, i)) for i in range(n)]
            assert WITHOUT[name](gold, predicted) == pytest.approx(expected, abs=1e-9)


def test_pseudo_values_of_accuracy_are_right_or_wrong() -> None:
    gold, predicted = np.array([1, 0, 1, 1, 0]), np.array([1, 1, 1, 0, 0])
    assert pseudo_values(["accuracy"], gold, predicted) == pytest.approx([1, 0, 1, 0, 1])


def test_their_variance_is_that_of_the_score() -> None:
    """Spearman's of 200 examples, drawn again and again: the jackknife's error is the spread of the scores."""
    rng = np.random.default_rng(2)
    scores, errors = [], []
    for _ in range(400):
        x = rng.normal(size=200)
        y = x + rng.normal(size=200)
        scores.append(METRICS["spearman"](x, y))
        errors.append(np.std(pseudo_values(["spearman"], x, y), ddof=1) / 200**0.5)
    assert np.mean(errors) == pytest.approx(np.std(scores), rel=0.1)
