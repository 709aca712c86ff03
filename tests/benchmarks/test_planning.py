"""The benchmark of planning plans what it says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "planning.py"


def test_a_plan_of_a_benchmark() -> None:
    spec = importlib.util.spec_from_file_location("benchmark_of_planning", FILE)
    assert spec is not None
    assert spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = benchmark
    spec.loader.exec_module(benchmark)
    [planned] = benchmark.plans(3, [8], "rte")
    assert (planned.devices, planned.runs) == (8, 3 * 11)
    assert 0 < planned.bound <= planned.end
