"""Differences: their numbers by hand, when they claim nothing, and how often their intervals hold the truth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from matekd_bench.results.stats.differences import (
    Difference,
    RowScores,
    difference,
    difference_over_tasks,
    row_difference,
)
from matekd_bench.results.stats.example_scores import ExampleScores, paired_noise
from matekd_bench.results.stats.intervals import Interval, Part, Variance, half_width, p_value

FLAT = ExampleScores((0, 1, 2, 3, 4), (np.zeros((10, 5)),))


def student(value: float, df: float) -> Variance:
    return Variance((Part(value, df),))


def entry(*scores: float, examples: ExampleScores | None = FLAT, **more: Any) -> RowScores:
    return RowScores(dict(enumerate(scores)), examples, **more)


def test_by_hand(simulate: Any) -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(1, 2, 200)
    own, other = (simulate(rng, base, 4, own=1, seed=0.1, both=0.5) for _ in range(2))
    found = difference(own, other)
    x, y = ([e.scores[s] for s in range(4)] for e in (own, other))
    noise = paired_noise(own.examples, other.examples, range(4)).with_seeds(4)
    assert found.delta == pytest.approx(np.mean(x) - np.mean(y))
    assert found.variance == noise
    assert found.interval().high - found.delta == pytest.approx(half_width(noise))
    assert found.p == p_value(found.delta, noise)
    back = difference(other, own)
    assert (back.delta, back.p) == (-found.delta, pytest.approx(found.p))


def test_an_interval_stays_within_what_the_metric_can_be() -> None:
    wide = Difference(0.9, 3, student(0.25, 2))
    assert wide.interval() == Interval(-1.0, 1.0)
    assert wide.half_width == pytest.approx(0.9 + 1.2513, abs=1e-3)  # not cut
    assert replace(wide, variance=None).half_width is None
    assert replace(wide, largest=2.0).interval() == Interval(pytest.approx(-1.2513, abs=1e-3), 2.0)


def test_common_seeds_only() -> None:
    own = RowScores({0: 0.9, 1: 0.7, 2: 0.71, 3: 0.75}, FLAT)
    other = RowScores({1: 0.6, 2: 0.62, 3: 0.61, 4: 0.1}, FLAT)
    found = difference(own, other)
    assert (found.n, found.delta) == (3, pytest.approx(0.72 - 0.61))
    assert difference(RowScores({0: 0.5}), RowScores({1: 0.5})) is None


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        (entry(0.7, 0.8), "fewer than three common seeds"),
        (entry(0.7, 0.8, 0.9, complete=False), "a seed failed"),
        (entry(0.7, 0.8, 0.9, collapsed=frozenset({1})), "some runs collapsed"),
        (entry(0.7, 0.8, 0.9, examples=None), "predictions are missing"),
        (
            RowScores({0: 0.7, 1: 0.8, 2: 0.9}, ExampleScores((0, 1), (np.zeros((10, 2)),))),
            "predictions are missing",
        ),
    ],
)
def test_what_claims_nothing(own: RowScores, reason: str) -> None:
    for found in (difference(own, entry(0.5, 0.5, 0.5)), difference(entry(0.5, 0.5, 0.5), own)):
        assert found.delta != 0
        assert (found.variance, found.interval(), found.p, found.missing) == (None, None, None, reason)


def test_a_difference_without_any_variance_has_no_p() -> None:
    found = difference(entry(0.7, 0.7, 0.7), entry(0.6, 0.6, 0.6))
    assert found.p is None
    interval = found.interval()
    assert interval.low == interval.high


def test_over_tasks_by_hand() -> None:
    parts = [Difference(0.03, 3, student(4e-4, 5)), Difference(-0.01, 5, student(1e-4, 8))]
    found = difference_over_tasks(parts)
    assert (found.delta, found.n) == (pytest.approx(0.01), 3)
    assert found.variance == Variance((Part(pytest.approx(1e-4), 5), Part(pytest.approx(2.5e-5), 8)))
    lacking = difference_over_tasks([*parts, Difference(0.1, 2, missing="fewer than three common seeds")])
    assert lacking.delta == pytest.approx(0.04)
    assert (lacking.p, lacking.missing) == (None, "fewer than three common seeds")
    assert difference_over_tasks([]) is None


def test_rows_are_compared_on_every_task_or_not_at_all() -> None:
    own = {"rte": entry(0.7, 0.7, 0.71), "cola": entry(0.4, 0.41, 0.4)}
    other = {"rte": entry(0.6, 0.6, 0.6), "cola": entry(0.4, 0.4, 0.4)}
    found = row_difference(own, other, ["rte", "cola"])
    assert found.delta == pytest.approx((0.31 / 3 + 0.01 / 3) / 2)
    assert row_difference({"rte": own["rte"]}, other, ["rte", "cola"]) is None
    assert row_difference({**own, "cola": RowScores({9: 0.5})}, other, ["rte", "cola"]) is None


def test_a_row_that_collapsed_as_a_whole_is_known_and_two_of_them_claim_nothing() -> None:
    collapsed = entry(0.5, 0.5, 0.5, collapsed=frozenset(range(3)))
    assert difference(entry(0.7, 0.8, 0.9), collapsed).missing is None
    assert difference(collapsed, collapsed).missing == "both rows collapsed"


@pytest.mark.parametrize("n_seeds", [3, 5])
@pytest.mark.parametrize(
    ("own", "seed", "both"),
    [
        pytest.param(0.0, 0.0, 1.0, id="seeds change which examples are right"),
        pytest.param(0.7, 0.1, 1.0, id="everything varies"),
        pytest.param(0.3, 0.3, 0.7, id="seeds differ"),
        pytest.param(1.0, 0.0, 0.3, id="methods differ by examples"),
    ],
)
def test_coverage(simulate: Any, n_seeds: int, own: float, seed: float, both: float) -> None:
    """No true difference: the 95 % interval must hold 0 in 91 to 99 of 100 studies."""
    rng = np.random.default_rng(1)
    held, studies = 0, 1000
    for _ in range(studies):
        base = rng.normal(1, 2, 277)  # as many as RTE has
        runs = [simulate(rng, base, n_seeds, own=own, seed=seed, both=both) for _ in range(2)]
        found = difference(*runs)
        interval = found.interval()
        held += interval.low <= 0 <= interval.high
    assert 0.93 <= held / studies <= 0.995


def test_coverage_over_tasks(simulate: Any) -> None:
    """The mean over four tasks of very different size."""
    rng = np.random.default_rng(3)
    held, studies = 0, 400
    for _ in range(studies):
        parts = []
        for n in (277, 408, 1043, 1500):
            base = rng.normal(1, 2, n)
            parts.append(difference(*(simulate(rng, base, 3, own=0.5, seed=0.1, both=0.7) for _ in range(2))))
        found = difference_over_tasks([part for part in parts if part is not None])
        interval = found.interval()
        held += interval.low <= 0 <= interval.high
    assert 0.92 <= held / studies <= 0.995


def test_without_the_examples_the_interval_would_be_too_narrow(simulate: Any) -> None:
    """The examples matter: seeds alone hold the truth far too rarely where methods differ by examples."""
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(300):
        base = rng.normal(1, 2, 277)
        own, other = (simulate(rng, base, 3, own=1.0, seed=0.0, both=0.3) for _ in range(2))
        noise = paired_noise(own.examples, other.examples, range(3))
        seeds = Difference(
            np.mean([own.scores[s] - other.scores[s] for s in range(3)]), 3, student(noise.seeds / 3, 2)
        )
        held += seeds.interval().low <= 0 <= seeds.interval().high
    assert held / 300 < 0.8
