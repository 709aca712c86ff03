"""When a teacher is surely above the majority class: against scipy's tests."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from matekd_bench.results.stats.teacher_strength import majority_share, p_above_majority
from matekd_bench.tasks.metrics import METRICS


def test_accuracy_is_the_exact_binomial_test() -> None:
    rte = p_above_majority({"accuracy": 156 / 277}, 277, 146 / 277)
    assert rte == pytest.approx(stats.binomtest(156, 277, 146 / 277, alternative="greater").pvalue)
    assert rte > 0.1  # 56.3 against 52.7 on RTE: not sure


@pytest.mark.parametrize("ones", [0.3, 0.68])
def test_the_share_of_the_majority_class_comes_from_its_score(ones: float) -> None:
    gold = (np.arange(1000) < 1000 * ones).astype(int)
    majority = np.full(1000, int(ones > 0.5))
    score = (METRICS["accuracy"](gold, majority) + METRICS["f1"](gold, majority)) / 2
    assert majority_share(("accuracy", "f1"), score) == pytest.approx(max(ones, 1 - ones))


def test_other_metrics_besides_accuracy() -> None:
    assert majority_share(("accuracy", "matthews"), 0.35) == pytest.approx(0.7)
    assert majority_share(("accuracy", "macro-f1"), 0.35) is None
    assert p_above_majority({"accuracy": 0.7, "balanced-accuracy": 0.5}, 100, 0.6) is None


def test_matthews_is_the_chi_squared_test_of_independence() -> None:
    rng = np.random.default_rng(0)
    gold = rng.integers(2, size=400)
    guess = np.where(rng.random(400) < 0.12, gold, rng.integers(2, size=400))
    table = np.histogram2d(gold, guess, bins=2)[0]
    two_sided = stats.chi2_contingency(table, correction=False).pvalue
    assert p_above_majority({"matthews": METRICS["matthews"](gold, guess)}, 400, 0.0) == pytest.approx(
        two_sided / 2
    )


def test_correlations_are_t_tests_and_the_weaker_one_counts() -> None:
    rng = np.random.default_rng(1)
    gold = rng.normal(size=60)
    guess = gold / 4 + rng.normal(size=60)
    expected = stats.pearsonr(gold, guess, alternative="greater")
    assert p_above_majority({"pearson": expected.statistic}, 60, 0.0) == pytest.approx(expected.pvalue)
    both = {"pearson": 0.9, "spearman": expected.statistic}
    assert p_above_majority(both, 60, 0.0) == pytest.approx(expected.pvalue)


def test_a_metric_that_tells_nothing() -> None:
    assert p_above_majority({"f1": 0.7}, 100, 0.5) is None
