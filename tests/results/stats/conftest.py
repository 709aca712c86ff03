"""Predictions with known noise, for the tests of the statistics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from matekd_bench.results.stats.differences import RowScores
from matekd_bench.results.stats.example_scores import Gold, example_scores


@pytest.fixture(scope="session")
def simulate() -> Callable[..., RowScores]:
    return simulate_runs


def simulate_runs(
    rng: np.random.Generator,
    base: np.ndarray,
    seeds: int,
    *,
    own: float,
    seed: float,
    both: float,
    gain: float = 0.0,
) -> RowScores:
    """Runs of one method on one task of two classes: labels are all 1, so predictions say right or wrong.

    `base` [n] is how easy each example is for everybody; `own`, `seed` and `both` are the standard deviations of
    what the method, the seed, and the seed on each example add; `gain` makes the method better.
    """
    n = len(base)
    common = base + gain + rng.normal(0, own, n)
    latent = common + rng.normal(0, seed, (seeds, 1)) + rng.normal(0, both, (seeds, n))
    right = (latent > 0).astype(np.int64)
    gold = Gold(("accuracy",), (np.ones(n, dtype=np.int64),))
    examples = example_scores(gold, {s: (right[s],) for s in range(seeds)})
    return RowScores({s: float(right[s].mean()) for s in range(seeds)}, examples)
