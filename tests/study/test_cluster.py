"""A study on a real Ray cluster of three nodes on this machine; a node and the driver are killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from matekd_bench.cli import main
from matekd_bench.results.store import ResultsStore

pytestmark = pytest.mark.ray
Options = tuple[str, ...]

# Starts a cluster, says its address, adds or kills nodes as it is told, and takes all down when its input ends.
CLUSTER = """
import sys
from ray.cluster_utils import Cluster

def node(number, cpus):
    return dict(num_cpus=cpus, object_store_memory=80 * 2**20, resources={f"n{number}": 1}, include_dashboard=False)

cluster = Cluster(initialize_head=True, head_node_args=node(0, 0))
nodes = [cluster.add_node(**node(number, 1)) for number in (1, 2)]
cluster.wait_for_nodes()
print(cluster.address, flush=True)
for line in sys.stdin:
    cluster.remove_node(nodes.pop(), allow_graceful=False)
    nodes.append(cluster.add_node(**node(3, 1)))
    print("replaced", flush=True)
cluster.shutdown()
"""

PLUGIN = """
import os, time
from matekd_bench import Method, NoParams, Perturbation, hookimpl

class Slow(Perturbation[NoParams]):
    def views(self, batch, models):
        if batch.update == 3:  # behind the first look
            time.sleep(2)
        yield batch.clean

@hookimpl
def matekd_bench_methods():
    yield Method(name="slow", summary="as kd", factory=Slow, level="text", version="1")
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[subprocess.Popen[str]]:
    """A head that trains nothing and two nodes of one core; `address` is theirs."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install -c constraints.txt '.[ray]'")
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
    )  # fmt: skip
    assert process.stdout is not None
    process.address = next(line.strip() for line in process.stdout if ":" in line)  # type: ignore[attr-defined]
    yield process
    process.communicate(timeout=60)


@pytest.fixture
def study(study_options: Options, tmp_path: Path) -> Options:
    """Six runs that take two seconds each at least, with a plugin of one file."""
    file = tmp_path / "slow.py"
    file.write_text(PLUGIN)
    options = [option for option in study_options if option != "--quiet"]
    return ("run", *options, "--plugin", str(file), "--methods", "slow", "--tasks", "rte", "--seeds", "3")


def start(study: Options, results: Path, address: str, cache: Path) -> subprocess.Popen[str]:
    """A driver in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "matekd_bench", *study, "--results", str(results), "--executor", "ray",
         "--ray-address", address],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "MATEKD_BENCH_CACHE": str(cache)},
    )  # fmt: skip


def table(results: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The long table without what depends on the machine: seconds, memory, how often a run was resumed."""
    import pandas as pd

    capsys.readouterr()
    file = results / "runs.csv"
    assert main(["export", str(file), "--table", "runs", "--results", str(results)]) == 0
    frame = pd.read_csv(file)
    timed = [
        name
        for name in frame
        if "second" in name or "memory" in name or name in ("created", "command", "resumed")
    ]
    return str(frame.drop(columns=timed).to_csv(index=False))


def test_a_cluster_makes_the_local_table_though_a_node_and_the_driver_are_killed(
    study: Options, cluster: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, cache = tmp_path / "cluster", tmp_path / "cache"
    first = start(study, results, cluster.address, cache)
    store = ResultsStore(results)
    partial = results / "runs" / ".partial"
    deadline = time.monotonic() + 300
    while not list(partial.glob("*/0*")):  # a first checkpoint has come back
        assert first.poll() is None, first.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    cluster.stdin.write("replace a node\n")
    cluster.stdin.flush()
    assert cluster.stdout.readline() == "replaced\n"
    while len(store.records()) < 2:
        assert first.poll() is None, first.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    first.send_signal(signal.SIGKILL)
    _, err = first.communicate()
    done = {run.run_id: run.provenance.created for run in store.records()}
    again = start(study, results, cluster.address, cache)
    out, said = again.communicate(timeout=300)
    assert again.returncode == 0, said
    assert f"{6 - len(done)} trained, {len(done)} already recorded, 0 failed" in out
    assert "25 %" not in said  # the teacher was kept here
    assert {run.run_id: run.provenance.created for run in store.records() if run.run_id in done} == done
    assert main([*study, "--quiet", "--results", str(tmp_path / "local")]) == 0
    assert table(results, capsys) == table(tmp_path / "local", capsys)
    assert sum(run.compute.resumed for run in store.records()) >= 1, err + said


def test_no_cluster_is_one_line(study: Options, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install -c constraints.txt '.[ray]'")
    assert main([*study, "--executor", "ray", "--jobs", "2"]) == 2
    assert (
        "error: --jobs is for this machine; with --executor ray the cluster's resources decide."
        in capsys.readouterr().err
    )
