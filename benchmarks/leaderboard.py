"""How long the leaderboard of very many records takes, and how much memory: `python benchmarks/leaderboard.py`.

Writes synthetic records (without predictions) to a folder of their own, then builds the leaderboard in a new
process, twice: the first time the operating system has no record in memory, the second time it has all of them.
CPU seconds are printed beside seconds on the clock, which say little on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TASKS = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte")
SEEDS = 10
METHODS = 50  # in one protocol
BUILD = """
import json, resource, sys, time
from pathlib import Path
start = time.perf_counter()
from matekd_bench.results.leaderboard.build import build
from matekd_bench.results.store.collection import read_folders
found = read_folders([Path(sys.argv[1])])
read = time.perf_counter() - start
board = build(found.records, tasks={}, suites=[])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
rows = sum(len(table.rows) for table in board.tables)
print(json.dumps({"records": len(found.records), "rows": rows, "read_s": round(read, 1),
                  "total_s": round(time.perf_counter() - start, 1), "cpu_s": round(time.process_time(), 1),
                  "peak_gib": round(peak, 2)}))
"""


def records(count: int, template: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """`count` records: protocols of 50 methods x 8 tasks x 10 seeds."""
    for number in range(count):
        rest, seed = divmod(number, SEEDS)
        rest, task = divmod(rest, len(TASKS))
        protocol, method = divmod(rest, METHODS)
        name, score = "kd" if method == 0 else f"method{method}", 0.6 + (number * 7919 % 1000) / 4000
        identity = {
            **template["identity"],
            "method": name,
            "variant": name,
            "role": "baseline" if method == 0 else "method",
            "task": TASKS[task],
            "seed": seed,
            "protocol_id": f"protocol{protocol}",
        }
        task_score = {"last": score, "best_dev": score + 0.01, "optimism": 0.01, "xfit": None}
        yield {
            **template,
            "run_id": f"{TASKS[task]}-{name}-{seed}-{number:016x}",
            "identity": identity,
            "task_score": task_score,
            "predictions": None,
        }


def write(folder: Path, count: int, template: dict[str, Any]) -> None:
    """The records as a results folder, without waiting for the disk."""
    for record in records(count, template):
        place = folder / "runs" / record["run_id"]
        place.mkdir(parents=True)
        (place / "record.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def forget(folder: Path) -> None:
    """Ask the operating system to drop what it has in memory of the records (Linux; names and sizes stay)."""
    os.sync()
    for path in folder.glob("runs/*/record.json"):
        handle = os.open(path, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def main() -> None:
    """Prints a line of JSON for the first time, with records from the disk, and one for the second."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument(
        "--like", type=Path, help="a record.json to imitate", default=next(iter(_references()), None)
    )
    given = parser.parse_args()
    if given.like is None:
        parser.error("no record under results/reference: give one with --like FILE")
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), given.records, json.loads(given.like.read_text(encoding="utf-8")))
        forget(Path(folder))
        for state in ("from the disk", "from memory"):
            print(state, flush=True)
            subprocess.run([sys.executable, "-c", BUILD, folder], check=True)


def _references() -> list[Path]:
    home = Path(__file__).resolve().parents[1] / "results" / "reference"
    return sorted(home.glob("*/runs/*-kd-*/record.json"))


if __name__ == "__main__":
    main()
