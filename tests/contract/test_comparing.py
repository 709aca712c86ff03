"""States and gradients are compared at every depth, with a tolerance where one is given."""

from __future__ import annotations

import pytest
import torch

from matekd_bench.contract.comparing import first_difference, tolerance

STATE = {"seen": {"a": 1, "b": [1.0, torch.ones(2)]}, "rate": 0.5}


@pytest.mark.parametrize(
    ("other", "place"),
    [
        ({"seen": {"a": 1, "b": [1.0, torch.ones(2)]}, "rate": 0.5}, None),
        ({"seen": {"a": 2, "b": [1.0, torch.ones(2)]}, "rate": 0.5}, "seen.a"),
        ({"seen": {"a": 1, "b": [1.0, torch.ones(3)]}, "rate": 0.5}, "seen.b.1"),
        ({"seen": {"a": 1, "b": [1.0]}, "rate": 0.5}, "seen.b"),
        ({"seen": {"a": 1, "b": [1.0, torch.ones(2)]}}, "rate"),
        ({**STATE, "more": 0}, "more"),
        ({**STATE, "rate": "0.5"}, "rate"),
        ({**STATE, "rate": 0.5 + 1e-9}, "rate"),
    ],
)
def test_the_first_difference_is_named_by_its_path(other, place):
    assert first_difference(STATE, other) == place


def test_floats_and_tensors_may_differ_by_a_tolerance():
    first, second = {"a": 1.0, "b": torch.ones(2)}, {"a": 1 + 1e-6, "b": torch.ones(2) * (1 + 1e-6)}
    assert first_difference(first, second, rtol=1e-5) is None
    assert first_difference(first, second, rtol=1e-8) == "a"
    nan = float("nan")
    assert first_difference([nan, torch.tensor(nan)], [nan, torch.tensor(nan)]) is None


def test_the_tolerance_is_above_rounding_and_below_what_rows_change():
    double, single, half = (
        torch.ones(1, dtype=kind) for kind in (torch.float64, torch.float32, torch.bfloat16)
    )
    assert 1e-12 < tolerance([double]) < 1e-9
    assert 1e-6 < tolerance([double, single]) < 1e-3
    assert tolerance([half, double]) < 0.1
