"""Intervals and tests against reference values, and where they must not exist."""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from matekd_bench.results.stats.intervals import (
    SIGNED,
    UNIT,
    Part,
    Variance,
    confidence_interval,
    half_width,
    interval_over_tasks,
    p_value,
    spread,
    variance,
    variance_of_mean,
    variance_over_tasks,
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


def student(value: float, df: float) -> Variance:
    return Variance((Part(value, df),))


def averaged(delta: float, part: Part) -> float:
    """The p value by quadrature over what the true variance may be, with scipy's densities."""
    chi2 = stats.chi2(part.df)

    def tail(u: float) -> float:
        total = max(part.estimated * part.df / u + part.known, part.floor)
        return 2 * float(stats.norm.sf(abs(delta) / math.sqrt(total))) * float(chi2.pdf(u))

    pieces = itertools.pairwise(chi2.ppf([1e-12, 1e-6, 1e-3, 0.1, 0.9, 1 - 1e-12]))
    return sum(integrate.quad(tail, *piece)[0] for piece in pieces)


def test_one_estimated_part_is_students() -> None:
    noise = student(1.3e-4, 4)
    assert p_value(0.03, noise) == pytest.approx(2 * stats.t.sf(0.03 / noise.error, 4))
    assert half_width(noise, 0.9) == pytest.approx(stats.t.ppf(0.95, 4) * noise.error)


@pytest.mark.parametrize("delta", [0.01, 0.03, 0.08])
@pytest.mark.parametrize(
    "part",
    [
        Part(1e-4, 2, known=5e-5),
        Part(1e-4, 7, known=5e-5),
        Part(1e-5, 4, known=-8e-6, floor=4e-6),
    ],
)
def test_a_part_with_examples_is_averaged_over_the_seeds(part: Part, delta: float) -> None:
    noise = Variance((part,))
    assert p_value(delta, noise) == pytest.approx(averaged(delta, part), rel=0.01)
    assert p_value(-delta, noise) == p_value(delta, noise)


def test_several_parts_are_students_with_satterthwaites_degrees_of_freedom() -> None:
    # statsmodels 0.15.0: CompareMeans(DescrStatsW(X), DescrStatsW(Y)).ttest_ind(usevar="unequal") and tconfint_diff
    delta = float(np.mean(X) - np.mean(Y))
    noise = Variance((*variance_of_mean(X).parts, *variance_of_mean(Y).parts))
    assert p_value(delta, noise) == pytest.approx(0.055532063319857154)
    found = confidence_interval(delta, noise)
    assert (found.low, found.high) == pytest.approx((-0.000591862549416719, 0.03887186254941659), abs=1e-12)


@pytest.mark.parametrize(
    "parts",
    [
        [Part(1e-4, 2, 5e-5)],
        [Part(1e-5, 4, -8e-6, 4e-6)],
        [Part(1e-4, 2), Part(3e-5, 9, 1e-5), Part(0.0, 2, 1e-6)],
    ],
)
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_interval_ends_where_the_p_value_says(parts: list[Part], level: float) -> None:
    noise = Variance(tuple(parts))
    found = confidence_interval(0.02, noise, level)
    assert found.high - 0.02 == pytest.approx(0.02 - found.low)
    assert p_value(found.high - 0.02, noise) == pytest.approx(1 - level, rel=1e-6)


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
    none = Variance((Part(0.0, 2), Part(1e-30, 7)))
    assert none.value == half_width(none) == 0.0
    assert [p_value(delta, none) for delta in (0.0, 1e-14, 0.01)] == [1.0, 1.0, None]


def test_the_interval_of_a_mean_over_tasks() -> None:
    found = interval_over_tasks([X, Y], [SIGNED, SIGNED])
    noise = variance_over_tasks([variance_of_mean(X), variance_of_mean(Y)])
    assert noise.value == pytest.approx((np.var(X, ddof=1) / 5 + np.var(Y, ddof=1) / 5) / 4)
    middle = (np.mean(X) + np.mean(Y)) / 2
    assert (found.low, found.high) == pytest.approx((middle - half_width(noise), middle + half_width(noise)))
    assert (interval_over_tasks([X, Y[:2]], [UNIT, UNIT]), interval_over_tasks([], [])) == (None, None)
    assert interval_over_tasks([X, Y], [SIGNED, SIGNED], collapsed=True) is None


def test_the_interval_of_a_mean_over_tasks_is_within_the_mean_of_the_bounds() -> None:
    wide = interval_over_tasks([[0.0, 0.5, 1.0], [-1.0, 0.0, 1.0]], [UNIT, SIGNED])
    assert (wide.low, wide.high) == (-0.5, 1.0)


def test_within_a_margin() -> None:
    noise = student(0.001**2, 10)
    within = [confidence_interval(delta, noise).within(0.005) for delta in (0.001, 0.003, -0.003)]
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
