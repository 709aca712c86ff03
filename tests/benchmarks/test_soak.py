"""A short soak: what a study leaves in memory and open files after eighteen runs."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "soak.py"

if not Path("/proc/self/statm").exists():
    pytest.skip("memory is read as Linux tells it", allow_module_level=True)


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("benchmark_of_soaking", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_eighteen_runs_leave_nothing_open(benchmark: ModuleType, tmp_path: Path) -> None:
    samples = benchmark.soak(18, tmp_path, 3, "kd")
    assert [one.runs for one in samples] == [3, 6, 9, 12, 15, 18]
    found = benchmark.growth(samples)
    assert (found["files"], found["threads"]) == (0, 0)
    assert (
        samples[-1].megabytes - samples[1].megabytes < 60
    )  # a leaked run would be 5 MB of weights and states each


def test_growth_leaves_out_what_is_loaded_at_first(benchmark: ModuleType) -> None:
    samples = [benchmark.Sample(10 * n, 100.0 + 50 * (n > 0) + n, 5, 1) for n in range(1, 11)]
    assert benchmark.growth(samples) == {"MB per 100 runs": 10.0, "files": 0, "threads": 0}
