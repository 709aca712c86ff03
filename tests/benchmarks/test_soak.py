"""A short soak: what a study leaves in memory and open files after thirty runs."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from scripts import script

if not Path("/proc/self/statm").exists():
    pytest.skip("memory is read as Linux tells it", allow_module_level=True)


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    return script("soak")


@pytest.mark.full
def test_thirty_runs_leave_nothing_open(benchmark: ModuleType, tmp_path: Path) -> None:
    samples = benchmark.soak(30, tmp_path, 5, "kd")
    assert [one.runs for one in samples] == [5, 10, 15, 20, 25, 30]
    found = benchmark.growth(samples)
    assert (found["files"], found["threads"]) == (0, 0)
    assert (
        samples[-1].megabytes - samples[1].megabytes < 60
    )  # a leaked run would be 5 MB of weights and states each


def test_growth_leaves_out_what_is_loaded_at_first(benchmark: ModuleType) -> None:
    samples = [benchmark.Sample(10 * n, 100.0 + 50 * (n > 0) + n, 5, 1) for n in range(1, 11)]
    assert benchmark.growth(samples) == {"MB per 100 runs": 10.0, "files": 0, "threads": 0}
