"""Intervals and tests against reference values, and where they must not exist."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from matekd_bench.results.stats.intervals import (
    Variance,
    interval_over_tasks,
    spread,
    t_interval,
    t_test,
    variance,
    variance_of_mean,
    variance_of_sum,
)

X = [0.612, 0.6354, 0.6209, 0.6498, 0.6173]
Y = [0.6029, 0.6101, 0.5957, 0.6245, 0.6065]


# statsmodels 0.15.0: DescrStatsW(X).tconfint_mean()
@pytest.mark.parametrize(
    ("scores", "low", "high"),
    [(X, 0.6079782594538387, 0.6461817405461613), (X[:3], 0.5934261362752997, 0.6521071970580334)],
)
def test_the_interval_of_a_cell(scores: list[float], low: float, high: float) -> None:
    cell = spread(scores)
    assert (cell.interval.low, cell.interval.high) == pytest.approx((low, high), abs=1e-12)
    assert (cell.n, cell.mean) == (len(scores), pytest.approx(np.mean(scores)))
    assert cell.sd == pytest.approx(np.std(scores, ddof=1))


def test_welch_is_the_sum_of_two_cells() -> None:
    # statsmodels 0.15.0: CompareMeans(DescrStatsW(X), DescrStatsW(Y)).ttest_ind(usevar="unequal") and tconfint_diff
    delta = float(np.mean(X) - np.mean(Y))
    noise = variance_of_sum([variance_of_mean(X), variance_of_mean(Y)])
    assert noise.df == pytest.approx(7.1286115342765415)
    assert t_test(delta, noise) == pytest.approx(0.055532063319857154)
    assert t_test(-delta, noise) == t_test(delta, noise)
    found = t_interval(delta, noise)
    assert (found.low, found.high) == pytest.approx((-0.000591862549416719, 0.03887186254941659), abs=1e-12)
    narrow = t_interval(delta, noise, level=0.9)
    assert narrow.high - delta == pytest.approx(stats.t.ppf(0.95, noise.df) * noise.error)


def test_fewer_than_three_seeds_claim_nothing() -> None:
    assert (spread([0.7]).sd, spread([0.7]).interval) == (None, None)
    two = spread([0.7, 0.8])
    assert (two.sd, two.interval) == (pytest.approx(math.sqrt(0.005)), None)
    with pytest.raises(ValueError, match="score"):
        spread([])


def test_equal_scores_have_an_interval_of_no_width() -> None:
    cell = spread([0.1, 0.1, 0.1])  # in floats these have a mean other than .1
    assert (cell.sd, cell.interval.low) == (0, cell.interval.high)


def test_without_variance_only_no_difference_has_a_p() -> None:
    none = variance_of_sum([Variance(0.0, 2), Variance(1e-30, 7)])
    assert none == Variance(0.0, 2)
    assert [t_test(delta, none) for delta in (0.0, 1e-14, 0.01)] == [1.0, 1.0, None]


def test_tiny_variances_keep_their_degrees_of_freedom() -> None:
    small, large = ([Variance(v * scale, df) for v, df in ((3.0, 2), (5.0, 4))] for scale in (1e-20, 1.0))
    assert variance_of_sum(small).df == pytest.approx(variance_of_sum(large).df)
    assert variance_of_sum(large).df == pytest.approx(8**2 / (9 / 2 + 25 / 4))
    assert variance_of_sum([Variance(2.0, 6), Variance(0.0, 1)]) == Variance(2.0, 6)


def test_the_interval_of_a_mean_over_tasks() -> None:
    found = interval_over_tasks([X, Y])
    variances = [np.var(X, ddof=1) / 5, np.var(Y, ddof=1) / 5]
    df = sum(variances) ** 2 / sum(v**2 / 4 for v in variances)
    half = stats.t.ppf(0.975, df) * math.sqrt(sum(variances)) / 2
    middle = (np.mean(X) + np.mean(Y)) / 2
    assert (found.low, found.high) == pytest.approx((middle - half, middle + half))
    assert (interval_over_tasks([X, Y[:2]]), interval_over_tasks([])) == (None, None)


def test_within_a_margin() -> None:
    noise = Variance(0.001**2, 10)
    within = [t_interval(delta, noise).within(0.005) for delta in (0.001, 0.003, -0.003)]
    assert within == [True, False, False]


FRACTIONS = st.floats(-1, 1).map(lambda value: round(value, 6))


@given(st.lists(FRACTIONS, min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_the_variance_is_that_of_exact_fractions_in_any_order(scores, rng) -> None:
    found = variance(scores)
    assert found == pytest.approx(statistics.variance(scores), rel=1e-12, abs=1e-30)
    rng.shuffle(scores)
    assert variance(scores) == found


@given(FRACTIONS, st.integers(2, 12))
def test_equal_scores_have_no_variance_at_all(score, n) -> None:
    assert variance([score] * n) == 0.0
