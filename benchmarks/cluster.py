"""One study of 24 runs on this machine and on a Ray cluster of three nodes: `python benchmarks/cluster.py`.

Needs the extra `ray`. Says how long the study took with one and with two runs at a time and on the cluster, what
`--dry-run` had estimated of one device, and whether the tables are the same, byte for byte but for
times: also where a node is killed in the middle, and where the driver is killed and started again.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

METHODS, TASKS = "kd,eda,matekd", "rte,mrpc,sst2,cola"
STUDY = f"run --preset mini --methods {METHODS} --tasks {TASKS} --threads 1 --device cpu".split()
SEEDS, RUNS = 2, 24
EARLIER = 100  # the seed of the records that the prediction rests on
PATIENCE = 1800.0  # seconds

# A head that trains nothing and two nodes of one core; a line replaces one of them by a third.
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


class Nodes:
    """A running cluster."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._log, text=True, env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
        )  # fmt: skip
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()
        if not self.address:
            raise SystemExit(f"Ray did not start: see {log}.\n{log.read_text()}")

    def replace_one(self) -> None:
        """Kills a node as power loss would; another joins."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("replace\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "replaced\n"

    def close(self) -> None:
        """Takes all nodes down."""
        self._process.communicate(timeout=120)
        self._log.close()


@contextmanager
def cluster(log: Path) -> Iterator[Nodes]:
    """Three nodes for as long as this lasts."""
    nodes = Nodes(log)
    try:
        yield nodes
    finally:
        nodes.close()


def begin(results: Path, *options: str) -> subprocess.Popen[str]:
    """The study in a process of its own."""
    command = [sys.executable, "-m", "matekd_bench", *STUDY, "--results", str(results), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(study: subprocess.Popen[str]) -> str:
    """What it printed; SystemExit where it failed."""
    out, err = study.communicate(timeout=PATIENCE)
    if study.returncode:
        raise SystemExit(f"exit code {study.returncode}:\n{err}")
    return out


def timed(results: Path, *options: str) -> float:
    """Seconds that the study took."""
    start = time.monotonic()
    finished(begin(results, "--seeds", str(SEEDS), *options))
    return time.monotonic() - start


def recorded(results: Path) -> int:
    """How many runs of the study have a record."""
    return len(list(results.glob("runs/*/record.json")))


def until(study: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    """Waits for something that the study brings about."""
    while not condition():
        if study.poll() is not None:
            raise SystemExit(f"the study ended too early:\n{study.communicate()[1]}")
        time.sleep(0.1)


def table(results: Path) -> str:
    """The runs of a folder as CSV, without what depends on the machine: seconds, memory, resumptions."""
    import pandas as pd

    file = results / "runs.csv"
    command = [sys.executable, "-m", "matekd_bench", "export", str(file), "--table", "runs"]
    subprocess.run([*command, "--results", str(results)], check=True, capture_output=True)
    frame = pd.read_csv(file)
    frame = frame[frame["seed"] < SEEDS]
    timed = [
        name
        for name in map(str, frame)
        if "second" in name or "memory" in name or name in ("created", "command", "resumed")
    ]
    return str(frame.drop(columns=timed).to_csv(index=False))


def main() -> None:
    """Prints a line for each part."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MATEKD_BENCH_CACHE"] = str(folder / "cache")
        one, two, planned = folder / "one", folder / "two", folder / "planned"
        finished(begin(folder / "warm", "--budget", "student_updates=1", "--quiet"))  # makes the teachers
        print(f"one at a time: {(alone := timed(one, '--jobs', '1')):.0f} s", flush=True)
        local = table(one)
        print(
            f"--jobs 2: {(both := timed(two, '--jobs', '2')):.0f} s, {alone / both:.2f} times as fast",
            flush=True,
        )
        print(f"same table: {table(two) == local}", flush=True)

        with cluster(folder / "ray.log") as nodes:
            ray: tuple[str, ...] = ("--executor", "ray", "--ray-address", nodes.address)
            finished(
                begin(planned, "--first-seed", str(EARLIER), "--quiet", *ray)
            )  # 12 runs that tell how fast it is
            plan = json.loads(finished(begin(planned, "--seeds", str(SEEDS), "--dry-run", "--json")))
            seconds = timed(planned, *ray)
            least = max(plan["device_seconds"] / 2, plan["longest_run_seconds"])  # on two nodes
        print(f"on the cluster: {seconds:.0f} s, at least {least:.0f} s by the plan", flush=True)
        print(f"same table: {table(planned) == local}", flush=True)

        lost = folder / "lost"
        with cluster(folder / "ray.log") as nodes:
            study = begin(lost, "--seeds", str(SEEDS), "--executor", "ray", "--ray-address", nodes.address)
            until(study, lambda: recorded(lost) >= RUNS // 3)
            nodes.replace_one()
            closing = finished(study).splitlines()[-1]
        print(f"a node killed: {closing}\nsame table: {table(lost) == local}", flush=True)

        again = folder / "again"
        with cluster(folder / "ray.log") as nodes:
            ray = ("--seeds", str(SEEDS), "--executor", "ray", "--ray-address", nodes.address)
            study = begin(again, *ray)
            until(study, lambda: recorded(again) >= RUNS // 3)
            study.send_signal(signal.SIGKILL)
            study.communicate()
            before = recorded(again)
            closing = finished(begin(again, *ray)).splitlines()[-1]
        print(
            f"the driver killed behind {before} records: {closing}\nsame table: {table(again) == local}",
            flush=True,
        )


if __name__ == "__main__":
    main()
