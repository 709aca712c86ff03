"""The examples' share of the variance: against a brute-force bootstrap, and counted once."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from matekd_bench.results.stats.differences import RowScores, difference
from matekd_bench.results.stats.example_scores import Gold, example_effects, example_variance
from matekd_bench.tasks.metrics import METRICS
from matekd_bench.tasks.task import MetricName

Runs = dict[int, tuple[np.ndarray, ...]]


def classes(rng: np.random.Generator, gold: np.ndarray, wrong: float, seeds: int = 3) -> Runs:
    hard = rng.random(len(gold)) < 2 * wrong  # half of the errors are everybody's
    return {
        s: (np.where(hard & (rng.random(len(gold)) < 0.5) | (rng.random(len(gold)) < 0.02), 1 - gold, gold),)
        for s in range(seeds)
    }


def scores(rng: np.random.Generator, gold: np.ndarray, seeds: int = 3) -> Runs:
    common = rng.normal(size=len(gold))
    return {s: (gold + common + 0.5 * rng.normal(size=len(gold)),) for s in range(seeds)}


Rows = list[np.ndarray]  # the examples of each resample, by place


def brute_force(
    metrics: tuple[MetricName, ...], gold: np.ndarray, own: Runs, other: Runs, rows: Rows
) -> float:
    """The net variance from resamples that are written out and scored by the plain metrics."""

    def score(guess: np.ndarray, rows: np.ndarray) -> float:
        if metrics == ("matthews",):  # of two classes it is Pearson's; scikit-learn takes half a minute
            return float(np.corrcoef(gold[rows], guess[rows])[0, 1])
        return float(np.mean([METRICS[name](gold[rows], guess[rows]) for name in metrics]))

    a, b = (np.array([[score(run[0], r) for run in runs.values()] for r in rows]) for runs in (own, other))
    n = a.shape[1]
    raw = np.var(a.mean(axis=1) - b.mean(axis=1), ddof=1)
    inter = sum(np.var(g - g.mean(axis=1, keepdims=True), axis=0, ddof=1).sum() / (n - 1) / n for g in (a, b))
    return float(raw - inter)


def fresh(n: int, times: int) -> Rows:
    rng = np.random.default_rng(99)
    return [rng.integers(n, size=n) for _ in range(times)]


def net(gold: Gold, own: Runs, other: Runs) -> float:
    a, b = example_effects(gold, own), example_effects(gold, other)
    return example_variance(a, b, sorted(own)).value


@pytest.mark.parametrize("metrics", [("accuracy",), ("accuracy", "f1"), ("matthews",)])
def test_classes_against_brute_force(metrics: tuple[MetricName, ...]) -> None:
    rng = np.random.default_rng(3)
    gold = rng.integers(2, size=300)
    own, other = classes(rng, gold, 0.1), classes(rng, gold, 0.15)
    expected = brute_force(metrics, gold, own, other, fresh(300, 2000))
    assert net(Gold(metrics, (gold,)), own, other) == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("metrics", [("accuracy", "f1"), ("matthews",), ("pearson", "spearman")])
def test_the_same_resamples_written_out_give_the_same(metrics: tuple[MetricName, ...]) -> None:
    rng = np.random.default_rng(4)
    gold = rng.integers(2, size=120)
    own, other = classes(rng, gold, 0.1), classes(rng, gold, 0.2)
    if "pearson" in metrics:
        gold = np.round(rng.random(120) * 5, 1)
        own, other = scores(rng, gold), scores(rng, gold)
    dev = Gold(metrics, (gold,))
    rows = [np.repeat(np.arange(120), weights) for weights in dev.resamples[0]]
    assert net(dev, own, other) == pytest.approx(brute_force(metrics, gold, own, other, rows))


def test_accuracy_by_hand() -> None:
    """One seed in effect: two equal seeds have no interaction, so V_ex is the variance of the mean difference."""
    gold = np.array([1, 1, 1, 0, 0, 0])
    own = {0: (np.array([1, 1, 1, 0, 0, 1]),), 1: (np.array([1, 1, 1, 0, 0, 1]),)}
    other = {0: (np.array([1, 0, 0, 0, 1, 0]),), 1: (np.array([1, 0, 0, 0, 1, 0]),)}
    apart = np.array([0, 1, 1, 0, 1, -1])
    assert net(Gold(("accuracy",), (gold,)), own, other) == pytest.approx(np.var(apart, ddof=1) / 6)


def test_interaction_is_taken_out_by_the_mean_squares_of_the_two_way_table() -> None:
    rng = np.random.default_rng(5)
    gold = rng.integers(2, size=80)
    own, other = classes(rng, gold, 0.2), classes(rng, gold, 0.2)
    tables = [np.array([run[0] == gold for run in runs.values()], dtype=float) for runs in (own, other)]
    expected = np.var(tables[0].mean(axis=0) - tables[1].mean(axis=0), ddof=1) / 80
    for x in tables:
        rest = x - x.mean(axis=0) - x.mean(axis=1, keepdims=True) + x.mean()
        expected -= (rest**2).sum() / (2 * 79) / (3 * 80)
    assert expected > 0
    assert net(Gold(("accuracy",), (gold,)), own, other) == pytest.approx(expected)


def test_two_splits_count_half_each() -> None:
    rng = np.random.default_rng(6)
    first, second = rng.integers(2, size=100), rng.integers(2, size=400)
    runs = [[classes(rng, gold, 0.2) for gold in (first, second)] for _ in range(2)]
    both = [{s: (a[s][0], b[s][0]) for s in a} for a, b in runs]
    alone = [net(Gold(("accuracy",), (g,)), runs[0][i], runs[1][i]) for i, g in enumerate((first, second))]
    assert min(alone) > 0
    assert net(Gold(("accuracy",), (first, second)), *both) == pytest.approx(sum(alone) / 4)


def test_the_task_score_is_the_mean_over_splits_and_metrics() -> None:
    gold = Gold(("accuracy", "f1"), (np.array([1, 1, 0, 0]), np.array([1, 0])))
    guess = (np.array([1, 0, 0, 0]), np.array([1, 1]))
    assert gold.score(guess) == pytest.approx(((3 / 4 + 2 / 3) / 2 + (1 / 2 + 2 / 3) / 2) / 2)


@pytest.mark.parametrize("metrics", [("accuracy",), ("matthews",), ("pearson", "spearman")])
def test_degenerate_predictions_have_no_variance(metrics: tuple[MetricName, ...]) -> None:
    gold = np.array([0, 1] * 50)
    constant = {s: (np.ones(100, dtype=int),) for s in range(3)}
    assert net(Gold(metrics, (gold,)), constant, constant) == 0
    entry = RowScores(dict.fromkeys(range(3), 0.5), example_effects(Gold(metrics, (gold,)), constant))
    found = difference(entry, entry)
    assert (found.delta, found.p) == (0, 1.0)


def test_what_cannot_be_estimated() -> None:
    one = Gold(("accuracy",), (np.array([1]),))
    assert example_effects(one, {0: (np.array([1]),)}) is None
    assert example_effects(Gold(("accuracy",), (np.array([1, 0]),)), {}) is None
    with pytest.raises(ValueError, match="differ in number"):
        example_effects(Gold(("accuracy",), (np.array([1, 0]),)), {0: (np.array([1, 0, 1]),)})


def test_seeds_are_taken_by_name() -> None:
    rng = np.random.default_rng(7)
    gold = rng.integers(2, size=100)
    runs = classes(rng, gold, 0.2, seeds=5)
    other = classes(rng, gold, 0.2, seeds=5)
    dev = Gold(("accuracy",), (gold,))
    some = {s: runs[s] for s in (4, 1, 2)}
    part = {s: other[s] for s in (2, 4, 1)}
    a, b = example_effects(dev, runs), example_effects(dev, other)
    assert example_variance(a, b, [1, 2, 4]).value == pytest.approx(net(dev, some, part))
    assert example_variance(a, b, range(5)).value != example_variance(a, b, [1, 2, 4]).value


def test_resamples_are_bootstrap_samples_and_come_from_the_labels() -> None:
    labels = np.arange(50) % 3
    (drawn,) = Gold(("matthews",), (labels,)).resamples
    assert drawn.shape == (1000, 50)
    assert set(drawn.sum(axis=1)) == {50}
    assert drawn.var() == pytest.approx(0.98, abs=0.03)  # a binomial's (1 - 1/n)
    assert np.array_equal(drawn, Gold(("f1",), (labels.copy(),)).resamples[0])
    assert not np.array_equal(drawn, Gold(("f1",), (labels[::-1],)).resamples[0])
    first, second = Gold(("f1",), (labels, labels)).resamples
    assert not np.array_equal(first, second)


def test_another_process_draws_the_same() -> None:
    code = (
        "import numpy as np\n"
        "from matekd_bench.results.stats.example_scores import Gold\n"
        "print(Gold(('f1',), (np.arange(40) % 2,)).resamples[0].astype(int).cumsum(axis=1).sum())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(out) == Gold(("f1",), (np.arange(40) % 2,)).resamples[0].astype(int).cumsum(axis=1).sum()
