"""What the benchmark of every method makes of records."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import scipy.stats

from matekd_bench.plugins.host import Host
from matekd_bench.results.records.run_record import Record
from matekd_bench.study.spec.request import make_request
from scripts import script
from synthetic import make


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    return script("every_method")


def run(method: str, task: str, seed: int, protocol: str = "p", **diagnostics: float | None) -> Record:
    """A record with these diagnostics; seed 0 collapsed."""
    status = {} if seed else {"status": "collapsed", "reason": "constant predictions"}
    return make(method, task, seed, protocol_id=protocol, diagnostics=diagnostics, **status)


def test_means_leave_out_what_a_run_does_not_have(benchmark: ModuleType) -> None:
    runs = [
        run("eda", "rte", 0, words_changed=0.1),
        run("eda", "rte", 1, words_changed=0.3),
        run("kd", "rte", 1),
    ]
    other = run("eda", "rte", 1, protocol="q", words_changed=0.9)
    (eda, ended, found), (kd, _, nothing), (again, _, alone) = benchmark.means([*runs, other])
    assert (eda, dict(ended), kd, again) == ("eda", {"collapsed": 1, "ok": 1}, "kd", "eda")
    assert alone["words_changed"] == 0.9
    assert found["words_changed"] == pytest.approx(0.2)
    assert set(nothing.values()) == {None}


def test_differences_are_those_of_pairs(benchmark: ModuleType) -> None:
    moved: list[Any] = [
        run(method, task, seed, x=value)
        for method, values in (("matekd", (3.0, 5.0, 4.0)), ("frozen-generator", (1.0, 2.0, 2.5)))
        for (task, seed), value in zip((("rte", 0), ("rte", 1), ("cola", 0)), values, strict=True)
    ]
    alone = [run("matekd", "rte", 0, protocol="other", x=99.0), run("matekd", "stsb", 0, x=None)]
    mean, low, high, n = benchmark.difference([*moved, *alone], "x", "matekd", "frozen-generator")
    expected = scipy.stats.ttest_rel([3.0, 5.0, 4.0], [1.0, 2.0, 2.5]).confidence_interval()
    assert (mean, n) == (pytest.approx(6.5 / 3), 3)
    assert (low, high) == (pytest.approx(expected.low), pytest.approx(expected.high))


@pytest.mark.full
def test_a_plan_of_the_benchmark_of_planning_has_the_runs_that_it_names() -> None:
    planned = script("planning").plan(3, "rte")
    assert planned.runs == 3 * 11
    assert 0 < planned.longest_run_seconds < planned.device_seconds


def test_the_study_has_every_method_but_the_slow_one(benchmark: ModuleType) -> None:
    host = Host.load(only_builtin=True)
    spec = make_request({"config": benchmark.STUDY}, host).spec
    named = {one.split("[")[0].split(":")[0] for one in spec.methods.split(",")} | {"kd", benchmark.SLOW[1]}
    known = {name.split(":")[0] for name in host.methods} - {"from-file"}  # which needs a file of the user's
    assert named == known
