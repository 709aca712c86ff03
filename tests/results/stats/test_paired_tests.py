"""McNemar against statsmodels, the permutation test against full enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from matekd_bench.results.stats.example_scores import Gold
from matekd_bench.results.stats.paired_tests import compare_checkpoints, mcnemar, permutation_test
from matekd_bench.tasks.metrics import METRICS
from matekd_bench.tasks.task import MetricName


# statsmodels 0.15.0: mcnemar([[0, b], [c, 0]], exact=True).pvalue
@pytest.mark.parametrize(
    ("b", "c", "p"),
    [
        (3, 11, 0.057373046875),
        (10, 10, 1.0),
        (0, 6, 0.03125),
        (40, 65, 0.018740915408258018),
        (1, 0, 1.0),
        (1203, 1301, 0.05254667252523542),
        (0, 0, 1.0),
    ],
)
def test_mcnemar(b: int, c: int, p: float) -> None:
    assert mcnemar(b, c) == pytest.approx(p)
    assert mcnemar(c, b) == pytest.approx(p)


def enumerated(
    metrics: tuple[MetricName, ...], gold: np.ndarray, own: np.ndarray, other: np.ndarray
) -> float:
    """The exact p: every way in which the two may change places."""

    def score(guess: np.ndarray) -> float:
        return float(np.mean([METRICS[name](gold, guess) for name in metrics]))

    observed = abs(score(own) - score(other)) - 1e-12
    swaps = (np.array(swap, dtype=bool) for swap in product([False, True], repeat=len(gold)))
    hits = [abs(score(np.where(s, other, own)) - score(np.where(s, own, other))) >= observed for s in swaps]
    return float(np.mean(hits))


@pytest.mark.parametrize("metrics", [("accuracy", "f1"), ("pearson", "spearman")])
def test_permutation_against_enumeration(metrics: tuple[MetricName, ...]) -> None:
    rng = np.random.default_rng(1)
    gold = rng.integers(2, size=10)
    if "pearson" in metrics:
        gold = rng.random(10)
        own, other = gold + 0.1 * rng.normal(size=10), gold + 0.4 * rng.normal(size=10)
    else:
        own, other = (np.where(rng.random(10) < right, gold, 1 - gold) for right in (0.9, 0.5))
    expected = enumerated(metrics, gold, own, other)
    assert 0 < expected < 0.6
    assert permutation_test(Gold(metrics, (gold,)), (own,), (other,)) == pytest.approx(expected, abs=0.03)


def test_permutation_over_two_splits_adds_their_chances() -> None:
    gold = np.array([0, 1] * 4)
    dev = Gold(("f1",), (gold, gold))
    wrong = 1 - gold
    assert permutation_test(dev, (gold, gold), (wrong, wrong)) < 0.01  # 2 of 2^16, at least 1 / 2001
    assert permutation_test(dev, (gold, wrong), (wrong, gold)) == 1.0


def test_accuracy_takes_mcnemar_and_pools_splits() -> None:
    first, second = np.zeros(20, dtype=int), np.zeros(30, dtype=int)
    own, other = (first.copy(), second.copy()), (first.copy(), second.copy())
    own[0][:3] = 1
    other[0][3:9] = 1
    other[1][:5] = 2
    found = compare_checkpoints(Gold(("accuracy",), (first, second)), own, other)
    assert (found.test, found.only_own, found.only_other, found.n) == ("exact McNemar", 11, 3, 50)
    assert found.p == pytest.approx(0.057373046875)
    assert found.delta == pytest.approx((17 / 20 + 1) / 2 - (14 / 20 + 25 / 30) / 2)


def test_a_regression_has_no_right_and_wrong() -> None:
    gold = np.linspace(0, 5, 30)
    found = compare_checkpoints(Gold(("pearson", "spearman"), (gold,)), (gold + 1,), (-gold,))
    assert (found.only_own, found.only_other, found.test) == (None, None, "permutation")
    assert (found.delta, found.p) == (pytest.approx(2), 1 / 2001)


@pytest.mark.parametrize("metrics", [("accuracy",), ("accuracy", "f1"), ("matthews",)])
def test_equal_and_constant_checkpoints(metrics: tuple[MetricName, ...]) -> None:
    gold, constant = np.array([0, 1, 1, 0]), np.ones(4, dtype=int)
    found = compare_checkpoints(Gold(metrics, (gold,)), (constant,), (constant,))
    assert (found.delta, found.p, found.only_own, found.only_other) == (0, 1.0, 0, 0)


def test_the_same_every_time() -> None:
    rng = np.random.default_rng(2)
    gold, own, other = rng.integers(2, size=(3, 100))
    dev = Gold(("matthews",), (gold,))
    p = permutation_test(dev, (own,), (other,))
    assert p == permutation_test(Gold(("matthews",), (gold.copy(),)), (own.copy(),), (other,))
    assert 0.01 < p <= 1
