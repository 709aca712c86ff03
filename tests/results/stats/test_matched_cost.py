"""Equal cost: the cheapest rival that cost as much."""

from __future__ import annotations

import numpy as np
import pytest

from matekd_bench.results.stats.differences import RowScores
from matekd_bench.results.stats.example_scores import ExampleScores
from matekd_bench.results.stats.matched_cost import (
    delta_matched,
    matched_rival,
    matching_multiple,
    unmatched_cost,
)

RIVALS = {"kd": 100.0, "kd@2x": 200.0, "kd@4x": 400.0}


@pytest.mark.parametrize(
    ("cost", "rival"),
    [(50, "kd"), (100, "kd"), (101, "kd"), (102, "kd@2x"), (202, "kd@2x"), (203, "kd@4x"), (405, None)],
)
def test_the_cheapest_that_cost_as_much(cost: float, rival: str | None) -> None:
    assert matched_rival(cost, RIVALS) == rival


def entry(*scores: float) -> RowScores:
    effects = ExampleScores((0, 1, 2), (np.zeros((10, 3)),))
    return RowScores(dict(enumerate(scores)), effects)


def test_delta_matched() -> None:
    table = {
        "kd": {"rte": entry(0.6, 0.61, 0.62)},
        "kd@2x": {"rte": entry(0.65, 0.66, 0.64)},
        "matekd": {"rte": entry(0.63, 0.66, 0.66)},
        "eda": {"cola": entry(0.3, 0.3, 0.3)},
    }
    costs = {"kd": 100.0, "kd@2x": 200.0, "matekd": 160.0, "eda": 90.0}
    found = delta_matched("matekd", table, ["rte"], costs, ["kd", "kd@2x", "kd@4x"])
    assert (found.rival, found.cost_ratio) == ("kd@2x", 1.25)
    assert found.difference.delta == pytest.approx(0)
    for row, matching, rivals in (
        ("kd@2x", costs, ["kd", "kd@2x"]),  # nothing but itself cost as much
        ("eda", costs, ["kd"]),  # not on this task
        ("freelb", costs, ["kd"]),
        ("matekd", {**costs, "matekd": 0.0}, ["kd"]),
    ):
        assert delta_matched(row, table, ["rte"], matching, rivals) is None


def test_matching_multiple() -> None:
    assert [matching_multiple(cost) for cost in (0, 1, 1.01, 1.03, 2, 3.5)] == [1, 1, 1, 2, 2, 4]


def test_a_cost_is_unmatched_if_all_rivals_cost_less() -> None:
    costs = {**RIVALS, "twice": 200.0, "dear": 1000.0}
    found = [unmatched_cost(row, costs, list(RIVALS), "kd@2x") for row in ("twice", "dear", "absent")]
    assert found == [None, 5.0, None]
    assert unmatched_cost("dear", {**costs, "kd": 0.0}, ["kd"], "kd") is None
