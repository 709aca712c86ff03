"""The benchmark of planning plans what it says."""

from __future__ import annotations

from scripts import script


def test_a_plan_of_a_benchmark() -> None:
    [planned] = script("planning").plans(3, [8], "rte")
    assert (planned.devices, planned.runs) == (8, 3 * 11)
    assert 0 < planned.bound <= planned.end
