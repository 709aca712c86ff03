"""How long the plan of very many runs takes: `python benchmarks/planning.py --seeds 101`.

Each plan is the whole command in a process of its own, with nothing recorded. What torch alone takes to be loaded
is measured beside it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

METHODS = "finetune,random-mask,random-token,frozen-generator,matekd,eda,aeda,freelb,r3f,smart"  # and kd


@dataclass(frozen=True)
class Planned:
    """A plan for so many devices: its runs, the seconds it took, the foreseen end and its lower bound in seconds."""

    devices: int
    runs: int
    seconds: float
    end: float
    bound: float


def timed(command: Sequence[str]) -> tuple[float, str]:
    """Seconds that a process took, and what it printed."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
    return time.perf_counter() - started, done.stdout


def torch_alone() -> float:
    """Seconds that a process takes to start and to load torch, which any plan needs."""
    return timed(["-c", "import torch"])[0]


def plans(seeds: int, devices: Sequence[int], tasks: str = "glue") -> Iterator[Planned]:
    """Plans so many seeds of eleven methods for each number of devices."""
    with tempfile.TemporaryDirectory() as empty:
        study = ["--methods", METHODS, "--tasks", tasks, "--seeds", str(seeds), "--results", empty]
        for count in devices:
            plan = ["run", *study, "--dry-run", "--devices", str(count), "--json"]
            seconds, printed = timed(["-m", "matekd_bench", *plan])
            found = json.loads(printed)
            forecast = found["forecast"]
            yield Planned(count, len(found["runs"]), seconds, forecast["end"], forecast["bound"])


def main() -> None:
    """Reads the command line and prints a JSON line for each plan."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--seeds", type=int, default=101, help="eleven methods, nine tasks: 99 runs a seed")
    parser.add_argument("--devices", default="8,64,1024")
    parser.add_argument("--tasks", default="glue")
    typed = parser.parse_args()
    torch_alone()  # once for the disk
    print(json.dumps({"torch alone": round(torch_alone(), 2)}), flush=True)
    for planned in plans(typed.seeds, [int(count) for count in typed.devices.split(",")], typed.tasks):
        print(json.dumps({name: round(value, 2) for name, value in asdict(planned).items()}), flush=True)


if __name__ == "__main__":
    main()
