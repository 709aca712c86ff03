"""How long the plan of very many runs takes: `python benchmarks/planning.py --seeds 101`.

The plan is the whole command in a process of its own, with nothing recorded. What torch alone takes to be loaded
is measured beside it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

METHODS = "finetune,random-mask,random-token,frozen-generator,matekd,eda,aeda,freelb,r3f,smart"  # and kd


@dataclass(frozen=True)
class Planned:
    """A plan: its runs, the seconds that planning took, and the seconds that it estimates of device and longest run."""

    runs: int
    seconds: float
    device_seconds: float
    longest_run_seconds: float


def timed(command: Sequence[str]) -> tuple[float, str]:
    """Seconds that a process took, and what it printed."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
    return time.perf_counter() - started, done.stdout


def torch_alone() -> float:
    """Seconds that a process takes to start and to load torch, which any plan needs."""
    return timed(["-c", "import torch"])[0]


def plan(seeds: int, tasks: str = "glue") -> Planned:
    """Plan so many seeds of eleven methods."""
    with tempfile.TemporaryDirectory() as empty:
        study = ["--methods", METHODS, "--tasks", tasks, "--seeds", str(seeds), "--results", empty]
        seconds, printed = timed(["-m", "matekd_bench", "run", *study, "--dry-run", "--json"])
    shown = json.loads(printed)
    return Planned(len(shown["runs"]), seconds, shown["device_seconds"], shown["longest_run_seconds"])


def main() -> None:
    """Read the command line; print what torch takes and the plan, each as a JSON line."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--seeds", type=int, default=101, help="eleven methods, nine tasks: 99 runs a seed")
    parser.add_argument("--tasks", default="glue")
    typed = parser.parse_args()
    torch_alone()  # once for the disk
    print(json.dumps({"torch alone": round(torch_alone(), 2)}), flush=True)
    planned = plan(typed.seeds, typed.tasks)
    print(json.dumps({name: round(value, 2) for name, value in asdict(planned).items()}), flush=True)


if __name__ == "__main__":
    main()
