"""Very many tiny runs in one process: memory and open files stay flat: `python benchmarks/soak.py --runs 500`.

A run is what it always is: four updates, two evaluations, a record, checkpoints. Memory is measured after every row
of runs, so that what a single run needs does not count.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

CONFIG = """\
[teacher]
optimizer = { lr = 1e-3, batch_size = 16 }
budget = { limit = 3 }

[training]
evaluations = 2
optimizer = { lr = 1e-3, batch_size = 8 }
"""
SETTLED = 0.2  # the share of the runs after which caches of libraries are full


@dataclass(frozen=True)
class Sample:
    """How things stand after so many runs: resident megabytes, open files, threads."""

    runs: int
    megabytes: float
    files: int
    threads: int


def sample(runs: int) -> Sample:
    """How things stand now (Linux)."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    size = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    threads = len(os.listdir("/proc/self/task"))
    return Sample(runs, round(size, 1), len(os.listdir("/proc/self/fd")), threads)


def soak(
    runs: int,
    home: Path,
    every: int,
    methods: str = "kd,eda",
    show: Callable[[Sample], None] = lambda taken: None,
) -> list[Sample]:
    """Trains so many runs in this process; a sample after every so many, which `show` is given at once."""
    from matekd_bench.cli import main
    from matekd_bench.study.execute.orders import Order, OrderEnd
    from matekd_bench.study.execute.runner import Runner

    found: list[Sample] = []
    done, original = 0, Runner.execute

    def take(self: Runner, order: Order) -> OrderEnd:
        nonlocal done
        end = original(self, order)
        done += end.kind == "trained"
        if done % every == 0:
            found.append(sample(done))
            show(found[-1])
        return end

    (home / "tiny.toml").write_text(CONFIG)
    command = [
        *("run", "--preset", "mini", "--config", str(home / "tiny.toml"), "--methods", methods, "--tasks", "sst2"),
        *("--limit-train", "32", "--limit-eval", "20", "--budget", "student_updates=4"),
        *("--seeds", str(-(-runs // (methods.count(",") + 1))), "--device", "cpu", "--precision", "float32"),
        *("--threads", "1", "--jobs", "1", "--quiet", "--results", str(home / "results")),
    ]  # fmt: skip
    before = os.environ.get("MATEKD_BENCH_CACHE")
    os.environ["MATEKD_BENCH_CACHE"] = str(home / "cache")
    Runner.execute = take  # type: ignore[method-assign]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            assert main(command) == 0
    finally:
        Runner.execute = original  # type: ignore[method-assign]
        os.environ.pop("MATEKD_BENCH_CACHE")
        if before is not None:
            os.environ["MATEKD_BENCH_CACHE"] = before
    return found


def growth(samples: list[Sample]) -> dict[str, float]:
    """What was added from a fifth of the runs on: megabytes for a hundred runs, files, threads."""
    first = samples[int(len(samples) * SETTLED)]
    last = samples[-1]
    runs = max(1, last.runs - first.runs)
    return {
        "MB per 100 runs": round((last.megabytes - first.megabytes) * 100 / runs, 2),
        "files": last.files - first.files,
        "threads": last.threads - first.threads,
    }


def main() -> None:
    """Prints every sample and the growth, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--methods", default="kd,eda")
    given = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        samples = soak(given.runs, Path(home), given.every, given.methods, _show)
    print(json.dumps({**growth(samples), "seconds": round(time.monotonic() - started)}))


def _show(taken: Sample) -> None:
    print(json.dumps(asdict(taken)), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
