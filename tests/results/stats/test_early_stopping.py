"""Cross-fitted early stopping: its halves, its ties, and its bias beside that of the best evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from matekd_bench.results.stats.early_stopping import halves, last_argmax, xfit
from matekd_bench.results.stats.example_scores import Gold
from matekd_bench.tasks.metrics import METRICS


def ids(n: int, prefix: str = "u") -> tuple[str, ...]:
    return tuple(f"{prefix}{i}" for i in range(n))


def test_halves() -> None:
    found = halves(ids(201))
    assert found.shape == (20, 201)
    assert set(found[:10].sum(axis=1)) == {100}
    assert np.array_equal(found[:10] + found[10:], np.ones((10, 201)))
    assert len({row.tobytes() for row in found}) == 20
    together = (found[:10, :1] == found[:10]).mean()
    assert 0.4 < together < 0.6


def test_halves_go_by_id_and_not_by_order() -> None:
    names = ids(300)
    order = np.random.default_rng(0).permutation(300)
    shuffled = halves(tuple(names[i] for i in order))
    assert np.array_equal(shuffled, halves(names)[:, order])


def test_ties_go_to_the_later_look() -> None:
    assert last_argmax(
        np.array([[1.0, 3.0, 3.0, 2.0], [5.0, 5.0, 5.0, 5.0], [9.0, 1.0, 1.0, 1.0]])
    ).tolist() == [2, 3, 0]


@pytest.mark.parametrize("metrics", [("accuracy",), ("accuracy", "f1"), ("matthews",)])
def test_by_hand(metrics: tuple[str, ...]) -> None:
    rng = np.random.default_rng(1)
    gold = rng.integers(2, size=220)
    evaluations = [(np.where(rng.random(220) < 0.8, gold, 1 - gold),) for _ in range(4)]
    values = []
    for row in halves(ids(220)).astype(bool):
        scores = [
            [np.mean([METRICS[m](gold[h], evaluation[0][h]) for m in metrics]) for h in (row, ~row)]
            for evaluation in evaluations
        ]
        best = max(range(4), key=lambda evaluation: (scores[evaluation][0], evaluation))
        values.append(scores[best][1])
    assert xfit(Gold(metrics, (gold,)), (ids(220),), evaluations) == pytest.approx(np.mean(values))


def test_two_splits_choose_by_their_mean() -> None:
    """The first evaluation is better on one split, the second by more on the other: every half takes the second."""
    first, second = np.zeros(300, dtype=int), np.zeros(400, dtype=int)
    wrong = first.copy()
    wrong[::10] = 1
    evaluations = [(first, 1 - second), (wrong, second)]
    found = xfit(Gold(("accuracy",), (first, second)), (ids(300, "a"), ids(400, "b")), evaluations)
    assert found == pytest.approx((0.9 + 1) / 2)


def test_a_small_dev_set_or_no_evaluation_has_none() -> None:
    for sizes, expected in (([199], None), ([200], 1.0), ([200, 199], None)):
        golds = tuple(np.zeros(size, dtype=int) for size in sizes)
        dev, names = Gold(("accuracy",), golds), tuple(map(ids, sizes))
        assert xfit(dev, names, [golds]) == expected
        assert xfit(dev, names, []) is None


def test_regression_and_collapsed_evaluations() -> None:
    gold = np.linspace(0, 5, 250)
    dev = Gold(("pearson", "spearman"), (gold,))
    constant = np.full(250, 2.0)
    assert xfit(dev, (ids(250),), [(gold,), (constant,)]) == pytest.approx(1.0)
    assert xfit(dev, (ids(250),), [(constant,), (constant,)]) == 0


def test_bias_on_a_flat_curve() -> None:
    """Ten evaluations of one true accuracy: choosing on dev flatters by about a point, xfit by less than a tenth.

    Measured against the mean of the evaluations on the same examples, which has no bias and varies with them.
    """
    rng = np.random.default_rng(3)
    n, evaluations, runs = 277, 10, 1000
    gold = np.zeros(n, dtype=int)
    dev, names = Gold(("accuracy",), (gold,)), (ids(n),)
    cross, best = [], []
    for _ in range(runs):
        base = rng.normal(0.7, 1.0, n)
        wrong = (base + rng.normal(0, 0.35, (evaluations, n)) < 0).astype(int)
        accuracy = 1 - wrong.mean(axis=1)
        found = xfit(dev, names, [(evaluation,) for evaluation in wrong])
        cross.append(found - accuracy.mean())
        best.append(accuracy.max() - accuracy.mean())
    assert np.std(cross) / np.sqrt(runs) < 0.0004  # what the next line can tell
    assert abs(np.mean(cross)) < 0.001
    assert 0.01 < np.mean(best) < 0.03
