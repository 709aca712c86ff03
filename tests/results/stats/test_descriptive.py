"""The descriptive numbers, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from matekd_bench.results.stats.descriptive import (
    SAME_LOGITS,
    answers_changed,
    probability_of_improvement,
    same_logits,
    seed_correlation,
    tasks_won,
)
from matekd_bench.results.stats.differences import RowScores
from matekd_bench.results.stats.example_scores import Gold


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


def test_changed_labels_are_counted_over_all_splits() -> None:
    gold = Gold(("accuracy",), (np.array([0, 1, 1]), np.array([0, 1, 2, 2, 2])))
    own = (np.array([0, 1, 2]), np.array([0, 1, 2, 0, 0]))
    other = (np.array([0, 1, 1]), np.array([0, 1, 2, 0, 1]))
    assert answers_changed(own, other, gold) == 2 / 8
    assert answers_changed(own, own, gold) == 0


def test_changed_scores_are_in_standard_deviations_of_gold() -> None:
    own, other = (np.array([1.0, 2.0, 4.0]),), (np.array([1.5, 2.0, 2.0]),)
    gold = np.array([0.0, 2.0, 5.0])
    assert answers_changed(own, other, Gold(("pearson",), (gold,))) == pytest.approx(2.5 / 3 / np.std(gold))
    assert answers_changed(own, other, Gold(("pearson",), (np.ones(3),))) == pytest.approx(2.5 / 3)


def test_logits_are_the_same_up_to_rounding_only() -> None:
    logits = (np.array([[2.0, 1.0], [0.0, 30.0]]), np.array([[1.0, 1.0]]))
    near, far = ((logits[0], logits[1] + factor * SAME_LOGITS) for factor in (0.9, 1.2))
    assert [same_logits(logits, other) for other in (logits, near, far)] == [True, True, False]
    assert not same_logits(logits, (logits[0][:, :1], logits[1]))
