"""A study on a real Ray cluster of three nodes on this machine; a node and the driver are killed on the way."""

from __future__ import annotations

import os
import re
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from matekd_bench.cli import main
from matekd_bench.distill.training import checkpoint_saver
from matekd_bench.results.store.results_store import ResultsStore

pytestmark = [pytest.mark.full, pytest.mark.ray]
Options = tuple[str, ...]
PATIENCE = 400  # seconds: starting Python on every node takes a while on a busy machine
SCRIPT = runpy.run_path(str(Path(__file__).resolve().parents[4] / "benchmarks" / "cluster.py"))
NO_RAY = "Ray is not installed: pip install -c constraints.txt -e '.[ray]'"

PLUGIN = """
import time
from pathlib import Path
from matekd_bench import Method, NoParams, Perturbation, hookimpl
from matekd_bench.distill.training import checkpoint_saver

checkpoint_saver.SAVE_SECONDS = 0.0

class Gated(Perturbation[NoParams]):
    def views(self, batch, models):
        while batch.update == 2 and not Path("GATES", f"open-{self.context.seed}").exists():
            time.sleep(0.05)
        yield batch.clean

@hookimpl
def matekd_bench_methods():
    yield Method(name="gated", summary="as kd", factory=Gated, level="text", version="1")
"""


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Any]:
    """A cluster of this test alone: a head that trains nothing and two nodes of one core."""
    with SCRIPT["cluster"](tmp_path / "ray.log") as nodes:
        yield nodes


def start(study: Options, results: Path, address: str, cache: Path) -> subprocess.Popen[str]:
    """A driver in a process of its own."""
    ray = ("--results", str(results), "--executor", "ray", "--ray-address", address)
    return subprocess.Popen(
        [sys.executable, "-m", "matekd_bench", *study, *ray], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "MATEKD_BENCH_CACHE": str(cache)},
    )  # fmt: skip


def wait(driver: subprocess.Popen[str], until: Callable[[], bool]) -> None:
    """Waits for something that the driver brings about."""
    deadline = time.monotonic() + PATIENCE
    while not until():
        assert driver.poll() is None, driver.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.1)


def table(results: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The long table without what depends on the machine: seconds, memory, how often a run was resumed."""
    import pandas as pd

    capsys.readouterr()
    file = results / "runs.csv"
    assert main(["export", str(file), "--table", "runs", "--results", str(results)]) == 0
    frame = pd.read_csv(file)
    timed = [
        name
        for name in map(str, frame)
        if "second" in name or "memory" in name or name in ("created", "command", "resumed")
    ]
    return str(frame.drop(columns=timed).to_csv(index=False))


@pytest.mark.skipif(find_spec("ray") is None, reason=NO_RAY)
def test_a_cluster_makes_the_local_table_though_a_node_and_the_driver_are_killed(
    study_options: Options,
    nodes: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        checkpoint_saver, "SAVE_SECONDS", 0.0
    )  # restored here after the plugin has set it too
    results, cache, plugin = tmp_path / "cluster", tmp_path / "cache", tmp_path / "gated.py"
    plugin.write_text(PLUGIN.replace("GATES", str(tmp_path)))
    options = [option for option in study_options if option != "--quiet"]
    what = (
        "--plugin",
        str(plugin),
        "--methods",
        "gated",
        "--reference",
        "none",
        "--tasks",
        "rte",
        "--seeds",
        "4",
    )
    study, store = ("run", *options, *what), ResultsStore(results)

    def checkpoints() -> int:
        return len(list((results / "runs" / ".partial").glob("*/0*")))

    first = start(study, results, nodes.address, cache)
    wait(first, lambda: checkpoints() == 2)  # a run waits at its gate on each node
    nodes.replace_one()
    for seed in (0, 1):  # one was lost and now waits behind the others, which wait at their gates
        (tmp_path / f"open-{seed}").touch()
    wait(first, lambda: len(store.records()) == 1)
    first.send_signal(signal.SIGKILL)
    _, err = first.communicate()
    [done] = store.records()
    [teacher] = cache.glob("teachers/*/model.safetensors")  # it came back to this machine's cache
    trained_at = teacher.stat().st_mtime_ns
    for seed in (2, 3):
        (tmp_path / f"open-{seed}").touch()
    out, said = start(study, results, nodes.address, cache).communicate(timeout=PATIENCE)
    assert out.splitlines()[-1].startswith("3 trained, 1 already recorded, 0 failed."), said
    assert "its node was lost" in err + said
    assert re.search("resuming after update [12]", err + said)
    assert [*cache.glob("teachers/*/model.safetensors")] == [teacher]
    assert teacher.stat().st_mtime_ns == trained_at
    assert done in store.records()
    assert sum(run.compute.resumed for run in store.records()) >= 1
    assert main([*study, "--quiet", "--results", str(tmp_path / "local")]) == 0
    assert table(results, capsys) == table(tmp_path / "local", capsys)
