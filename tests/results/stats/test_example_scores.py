"""What examples contribute to scores, and the noise in a difference: by hand and against an analysis of variance."""

from __future__ import annotations

import numpy as np
import pytest

from matekd_bench.results.stats.differences import RowScores, difference
from matekd_bench.results.stats.example_scores import ExampleScores, Gold, Noise, example_scores, paired_noise
from matekd_bench.tasks.task import MetricName

ACCURACY: tuple[MetricName, ...] = ("accuracy",)


def runs(rng: np.random.Generator, gold: np.ndarray, seeds: int = 4) -> dict[int, tuple[np.ndarray, ...]]:
    """Predictions of a row that has examples of its own that are hard."""
    wrong = np.where(rng.random(len(gold)) < 0.3, 0.7, 0.05)
    return {s: (np.where(rng.random(len(gold)) < wrong, 1 - gold, gold),) for s in range(seeds)}


def test_the_variance_is_that_of_a_two_way_analysis_with_both_factors_random() -> None:
    """Mean squares of the table of differences, with sums of squares written out."""
    rng = np.random.default_rng(5)
    gold, n = rng.integers(2, size=80), 4
    own, other = runs(rng, gold), runs(rng, gold)
    table = np.array([(own[s][0] == gold) * 1.0 - (other[s][0] == gold) for s in range(n)]).T
    mean, by_seed, by_example = table.mean(), table.mean(axis=0), table.mean(axis=1)
    seeds = 80 * sum((by_seed - mean) ** 2) / (n - 1)
    examples = n * sum((by_example - mean) ** 2) / 79
    rest = sum((table[i, j] - by_example[i] - by_seed[j] + mean) ** 2 for i in range(80) for j in range(n))
    interaction = rest / ((n - 1) * 79)
    total = seeds + examples - interaction
    assert total > interaction
    scored = Gold(ACCURACY, (gold,))
    found = paired_noise(example_scores(scored, own), example_scores(scored, other), range(n)).with_seeds(n)
    assert found.value == pytest.approx(total / (80 * n))
    assert found.parts[0].estimated == pytest.approx(seeds / (80 * n))
    assert (found.parts[0].df, found.parts[0].floor) == (n - 1, pytest.approx(interaction / (80 * n)))


def test_the_variance_is_never_below_that_of_the_interaction() -> None:
    noise = Noise(4, seeds=1e-6, examples=2e-6, interaction=1e-5)
    assert noise.with_seeds(4).value == pytest.approx(1e-5)
    assert noise.with_seeds(8).value == pytest.approx(5e-6)


def test_what_runs_of_one_seed_share_cancels() -> None:
    """The luck of a seed moves both rows alike: unpaired it would be most of the noise."""
    rng = np.random.default_rng(6)
    luck = rng.normal(size=6)
    blocks = [rng.normal(size=(300, 6)) / 10 + luck for _ in range(2)]
    own, other = (ExampleScores(tuple(range(6)), (block,)) for block in blocks)
    assert paired_noise(own, other, range(6)).with_seeds(6).error < 0.01 < np.std(luck) / 6**0.5


def test_more_seeds_leave_the_examples() -> None:
    noise = Noise(5, seeds=5e-4, examples=3e-5, interaction=1e-5)
    assert noise.with_seeds(5).value == pytest.approx(5e-4 / 5 + 2e-5)
    assert (
        noise.with_seeds(10**9).value == pytest.approx(noise.of_examples_alone.value) == pytest.approx(2e-5)
    )


def test_two_splits_count_half_each_and_share_the_seeds() -> None:
    rng = np.random.default_rng(7)
    golds = tuple(rng.integers(2, size=size) for size in (100, 400))
    rows = []
    for _ in range(2):
        first, second = (runs(rng, gold) for gold in golds)
        rows.append({s: (first[s][0], second[s][0]) for s in first})
    scored = Gold(ACCURACY, golds)
    own, other = (example_scores(scored, row) for row in rows)
    found = paired_noise(own, other, range(4))
    differences = [scored.score(rows[0][s]) - scored.score(rows[1][s]) for s in range(4)]
    assert found.seeds == pytest.approx(np.var(differences, ddof=1))
    alone = [
        paired_noise(ExampleScores(own.seeds, (a,)), ExampleScores(other.seeds, (b,)), range(4))
        for a, b in zip(own.blocks, other.blocks, strict=True)
    ]
    assert found.examples == pytest.approx(sum(part.examples for part in alone) / 4)
    assert found.interaction == pytest.approx(sum(part.interaction for part in alone) / 4)


def test_the_task_score_is_the_mean_over_splits_and_metrics() -> None:
    gold = Gold(("accuracy", "f1"), (np.array([1, 1, 0, 0]), np.array([1, 0])))
    guess = (np.array([1, 0, 0, 0]), np.array([1, 1]))
    assert gold.score(guess) == pytest.approx(((3 / 4 + 2 / 3) / 2 + (1 / 2 + 2 / 3) / 2) / 2)


@pytest.mark.parametrize("metrics", [("accuracy",), ("matthews",), ("pearson", "spearman")])
def test_identical_answers_are_a_difference_of_exactly_zero(metrics: tuple[MetricName, ...]) -> None:
    rng = np.random.default_rng(8)
    gold = rng.integers(2, size=100)
    answers = example_scores(Gold(metrics, (gold,)), runs(rng, gold, seeds=3))
    row = RowScores({0: 0.5, 1: 0.6, 2: 0.55}, answers)
    found = difference(row, row)
    assert (found.delta, found.variance.value, found.p) == (0.0, 0.0, 1.0)


def test_what_cannot_be_estimated() -> None:
    two = Gold(ACCURACY, (np.array([1, 0]),))
    assert example_scores(two, {0: (np.array([1, 0]),)}) is None
    assert example_scores(Gold(ACCURACY, (np.array([1, 0, 1]),)), {}) is None
    with pytest.raises(ValueError, match="differ in number"):
        example_scores(Gold(ACCURACY, (np.array([1, 0, 1]),)), {0: (np.array([1, 0]),)})


def test_seeds_are_taken_by_name() -> None:
    rng = np.random.default_rng(9)
    gold = rng.integers(2, size=100)
    own, other = runs(rng, gold, 5), runs(rng, gold, 5)
    scored = Gold(ACCURACY, (gold,))
    parts = [example_scores(scored, {s: row[s] for s in (4, 1, 2)}) for row in (own, other)]
    whole = [example_scores(scored, row) for row in (own, other)]
    assert paired_noise(*whole, [1, 2, 4]) == paired_noise(*parts, [1, 2, 4])
    assert paired_noise(*whole, range(5)) != paired_noise(*whole, [1, 2, 4])
