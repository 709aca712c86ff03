"""The benchmark of planning plans the runs that it names."""

from __future__ import annotations

from scripts import script


def test_a_plan_of_a_benchmark() -> None:
    planned = script("planning").plan(3, "rte")
    assert planned.runs == 3 * 11
    assert 0 < planned.longest_run_seconds < planned.device_seconds
