"""The descriptive numbers, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from matekd_bench.results.stats.descriptive import (
    probability_of_improvement,
    seed_correlation,
    tasks_won,
)
from matekd_bench.results.stats.differences import RowScores


def entry(*scores: float) -> RowScores:
    return RowScores(dict(enumerate(scores)))


def test_probability_of_improvement() -> None:
    own, other = (0.7, 0.72, 0.75), (0.71, 0.72, 0.69)
    u = stats.mannwhitneyu(own, other).statistic / 9
    assert probability_of_improvement([(entry(*own), entry(*other))]) == pytest.approx(u)
    tasks = [(entry(*own), entry(*other)), (entry(0.9), entry(0.1, 0.2))]
    assert probability_of_improvement(tasks) == pytest.approx((u + 1) / 2)
    assert probability_of_improvement([(entry(), entry(0.1))]) is None


def test_tasks_won_needs_more_than_a_tie() -> None:
    high, low = entry(0.8, 0.7), entry(0.7, 0.7)
    assert tasks_won([(high, low), (low, low), (low, high), (RowScores({9: 1.0}), low)]) == 1


def test_seed_correlation() -> None:
    rng = np.random.default_rng(0)
    common = rng.normal(size=6)
    x, y = common + rng.normal(size=6), common + rng.normal(size=6)
    one = (entry(*x), entry(*y))
    assert seed_correlation([one]) == pytest.approx(np.corrcoef(x, y)[0, 1])
    moved = (entry(*(x + 5)), entry(*(y - 3)))  # another task with another level
    assert seed_correlation([one, moved]) == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert seed_correlation([(entry(0.1, 0.2, 0.3), entry(0.1, 0.2, 0.3))]) == pytest.approx(1.0)


def test_seed_correlation_is_none_where_it_has_no_meaning() -> None:
    two, constant = (entry(0.1, 0.2),) * 2, (entry(0.1, 0.1, 0.1), entry(0.1, 0.2, 0.3))
    assert [seed_correlation(pairs) for pairs in ([two], [constant], [])] == [None] * 3
