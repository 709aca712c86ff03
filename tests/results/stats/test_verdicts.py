"""Holm against statsmodels, verdicts at their borders, places."""

from __future__ import annotations

import numpy as np
import pytest

from matekd_bench.results.stats.differences import Difference
from matekd_bench.results.stats.intervals import Part, Variance
from matekd_bench.results.stats.multiple_testing import holm
from matekd_bench.results.stats.verdicts import RankInterval, rank_intervals, verdict


# statsmodels 0.15.0: multipletests(p, method="holm")[1]
@pytest.mark.parametrize(
    ("p", "adjusted"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.001, 0.001, 0.2, 0.9, 0.011, 0.02], [0.006, 0.006, 0.4, 0.9, 0.044, 0.06]),
        ([0.5, 0.6, 0.7], [1.0, 1.0, 1.0]),
        ([0.03], [0.03]),
        ([], []),
    ],
)
def test_holm(p: list[float], adjusted: list[float]) -> None:
    assert holm(p) == pytest.approx(adjusted)


def test_a_comparison_that_could_not_be_made_still_counts() -> None:
    assert holm([0.01, None, 0.02]) == [pytest.approx(0.03), None, pytest.approx(0.04)]
    assert holm([None]) == [None]


def test_holm_keeps_the_familywise_error() -> None:
    """Of 2000 families of ten true null hypotheses at most 5 % reject any (here with equal correlated tests)."""
    rng = np.random.default_rng(0)
    lowest = [min(p for p in holm(list(rng.random(10))) if p is not None) for _ in range(2000)]
    assert 0.035 < np.mean(np.array(lowest) < 0.05) < 0.065


def result(delta: float, error: float, df: float = 10) -> Difference:
    return Difference(delta, 5, Variance((Part(error**2, df),)))


@pytest.mark.parametrize(
    ("delta", "error", "p", "said"),
    [
        (0.02, 0.005, 0.049, "better"),
        (-0.02, 0.005, 0.049, "worse"),
        (0.02, 0.005, 0.05, "inconclusive"),
        (0.0, 0.002, 0.9, "equivalent"),  # 90 %: t.ppf(.95, 10) = 1.812, half-width .0036
        (0.002, 0.002, 0.9, "inconclusive"),
        (0.0, 0.0027, 0.9, "equivalent"),  # .0049; the 95 % interval would reach .0060
        (0.0, 0.0028, 0.9, "inconclusive"),
        (0.001, 0.0001, 0.001, "better"),  # significant and small: the interval says how small
        (0.02, 0.005, None, "inconclusive"),
    ],
)
def test_verdicts(delta: float, error: float, p: float | None, said: str) -> None:
    assert verdict(result(delta, error), p) == said


def test_no_verdict_without_an_interval() -> None:
    for found in (None, Difference(0.2, 2, missing="fewer than three common seeds")):
        assert verdict(found, None) is None


def test_without_any_variance_only_equal_rows_are_equivalent() -> None:
    assert verdict(Difference(0.0, 3, Variance((Part(0.0, 2),))), 1.0) == "equivalent"
    assert verdict(Difference(0.001, 3, Variance((Part(0.0, 2),))), None) == "inconclusive"


def test_places() -> None:
    scores = {"a": 0.80, "b": 0.79, "c": 0.60, "d": 0.595}

    def compare(one: str, other: str) -> Difference:
        return result(scores[one] - scores[other], 0.01)

    found = rank_intervals(list(scores), compare)
    assert found == {
        "a": RankInterval(1, 2),
        "b": RankInterval(1, 2),
        "c": RankInterval(3, 4),
        "d": RankInterval(3, 4),
    }
    assert [label for label in scores if found[label].with_best] == ["a", "b"]
    assert [found[label].worse for label in scores] == [{"c", "d"}, {"c", "d"}, set(), set()]


def test_pairs_are_corrected_over_all_of_them_at_one_percent() -> None:
    scores = {"a": 0.80, "b": 0.77, "c": 0.79, "d": 0.785}

    def places(error: float) -> tuple[int, int]:
        found = rank_intervals(list(scores), lambda a, b: result(scores[a] - scores[b], error, df=1000))
        return found["a"].high, found["b"].low

    assert 6 * result(0.03, 0.0095, df=1000).p == pytest.approx(0.0098, abs=1e-3)
    assert places(0.0095) == (3, 2)
    assert places(0.0100) == (4, 1)  # p = .0028, times 6


def test_a_verdict_is_part_of_the_places() -> None:
    """A row that is worse than the reference has no mark, though the pairs alone would not tell them apart."""

    def compare(one: str, other: str) -> Difference:
        return result(0.0, 0.01)

    found = rank_intervals(["kd", "a", "b"], compare, [("kd", "a"), ("kd", "elsewhere")])
    assert found == {"kd": RankInterval(1, 2), "a": RankInterval(2, 3), "b": RankInterval(1, 3)}


def test_who_is_better_on_common_seeds_counts_and_not_whose_mean_is_higher() -> None:
    def compare(one: str, other: str) -> Difference:
        return result(-0.1, 0.01)

    found = rank_intervals(["a", "b"], compare)
    assert (found["a"].low, found["b"].high) == (2, 1)


def test_what_cannot_be_compared_is_not_told_apart() -> None:
    def nothing(one: str, other: str) -> None:
        return None

    assert rank_intervals(["a", "b"], nothing) == {"a": RankInterval(1, 2), "b": RankInterval(1, 2)}
    assert rank_intervals(["a"], nothing) == {"a": RankInterval(1, 1)}
    assert rank_intervals([], nothing) == {}
