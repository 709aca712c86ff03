"""Check the suite on a GPU, and measure what an update costs there: `python benchmarks/gpu_check.py`.

It takes less than ten minutes and needs no network. Each check prints a line; then comes the table for docs/speed.md.
The exit code is the sum of what failed:

 1  doctor
 2  nine methods in float32 and in bf16
 4  two runs with --deterministic are the same bit by bit
 8  several runs at a time; on a GPU six of them take less than half as long as one after the other
16  two processes for one run, where two GPUs are
32  updates at the sizes of paper-bert and paper-roberta

`--device cpu --small` tries the script itself, with few rows and tiny networks.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpu_updates import PRESETS, costs

from matekd_bench.errors import ResultsError
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.collection import read_folders

METHODS = "kd,matekd,eda,freelb,smart,cutoff,tinybert-aug,frozen-generator,worst-of-n[eda,n=2]"
REPEATED = "kd,matekd,freelb"
DOCTOR, PRECISIONS, SAME_BITS, AT_A_TIME, PROCESSES, UPDATES = (2**bit for bit in range(6))
LIMIT = 240  # seconds of a command
HEADINGS = ("preset", "method", "update", "ms", "GPU works", "synchronizations", "peak GiB")


@dataclass(frozen=True)
class Completed:
    """A command of the suite that has ended: exit code, output and seconds."""

    code: int
    output: str
    seconds: float

    @property
    def problem(self) -> str:
        """The end of the output of a command that failed."""
        return f"exit code {self.code}: {self.output.strip()[-300:]}" if self.code else ""


@dataclass
class Machine:
    """The device under test, the folder of all results and caches, and the bits of the checks that failed."""

    device: str
    gpus: int
    small: bool
    folder: Path
    failed: int = field(default=0)

    def check(self, bit: int, name: str, good: bool, text: str) -> None:
        """Print a check's line and remember a failure."""
        print(f"{'ok    ' if good else 'FAILED'} {name}: {text}", flush=True)
        self.failed |= 0 if good else bit

    def command(self, *arguments: str, cache: str = "cache") -> Completed:
        """Run a command of the suite offline, with a cache of its own."""
        environment = {**os.environ, "MATEKD_BENCH_CACHE": str(self.folder / cache), "HF_HUB_OFFLINE": "1"}
        started = time.perf_counter()
        try:
            ended = subprocess.run(
                [sys.executable, "-m", "matekd_bench", *arguments],
                capture_output=True, text=True, errors="replace", timeout=LIMIT, env=environment,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Completed(-1, f"still running after {LIMIT} s", LIMIT)
        return Completed(ended.returncode, ended.stdout + ended.stderr, time.perf_counter() - started)

    def study(self, name: str, *arguments: str, cache: str = "cache") -> Completed:
        """Run a small study of mini-GLUE's RTE; its results go to the folder `name`."""
        size = ("--limit-train", "64", "--limit-eval", "20") if self.small else ()
        budget = ("--budget", f"student_updates={2 if self.small else 10}")
        return self.command(
            "run", "--preset", "mini", "--tasks", "rte", "--device", self.device, "--no-plugins", *size, *budget,
            "--results", str(self.folder / name), *arguments, cache=cache,
        )  # fmt: skip

    def records(self, name: str) -> dict[str, Record]:
        """Return the records of a study by method; empty if it made none."""
        try:
            records = read_folders([self.folder / name]).records
        except ResultsError:
            return {}
        return {record.identity.variant: record for record in records}


def check_doctor(machine: Machine) -> None:
    """Check that the suite finds the device usable."""
    ended = machine.command("doctor")
    found = re.search(rf"^ok +({re.escape(machine.device)}:.*)$", ended.output, re.MULTILINE)
    text = ended.problem or (found[1] if found else f"it does not list {machine.device} as usable")
    machine.check(DOCTOR, "doctor", not ended.code and found is not None, text)


def check_precisions(machine: Machine) -> None:
    """Check that methods of every kind train in both precisions."""
    for precision in ("float32", "bf16"):
        ended = machine.study(precision, "--methods", METHODS, "--precision", precision, "--jobs", "1")
        records = machine.records(precision)
        bad = {
            name: record.reason for name, record in records.items() if record.status in ("failed", "diverged")
        }
        good = not ended.code and not bad and len(records) == 9
        text = f"{len(records)} in {ended.seconds:.0f} s {bad or ''} {ended.problem}"
        machine.check(PRECISIONS, f"nine methods in {precision}", good, text)


def check_same_bits(machine: Machine) -> None:
    """Check that two runs from scratch give the same predictions, teachers and generators included."""
    names = ("first", "second")
    ended = [
        machine.study(name, "--methods", REPEATED, "--deterministic", "--jobs", "1", cache=f"cache-{name}")
        for name in names
    ]
    first, second = (
        {
            variant: record.predictions.sha256
            for variant, record in machine.records(name).items()
            if record.predictions is not None
        }
        for name in names
    )
    differing = [variant for variant in first if first[variant] != second.get(variant)]
    good = not any(one.code for one in ended) and len(first) == 3 and not differing
    problems = " ".join(filter(None, (one.problem for one in ended)))
    text = f"{len(first)} runs, different: {', '.join(differing) or 'none'} {problems}"
    machine.check(SAME_BITS, "the same bits twice", good, text)


def check_at_a_time(machine: Machine) -> None:
    """Check that runs share the device; on a GPU that this is worth it."""
    study = ("--methods", "kd", "--seeds", "2" if machine.small else "6")
    # More updates than elsewhere, since each worker process takes seconds to start.
    longer = () if machine.small else ("--budget", "student_updates=400")
    alone = machine.study("one", *study, *longer, "--jobs", "1")
    together = machine.study("six", *study, *longer, "--jobs", "2" if machine.small else "6")
    good = not alone.code and not together.code
    if machine.gpus:
        good = good and together.seconds < alone.seconds / 2
    text = f"{together.seconds:.0f} s, one after the other {alone.seconds:.0f} s {alone.problem} {together.problem}"
    machine.check(AT_A_TIME, "several runs at a time", good, text)


def check_processes(machine: Machine) -> None:
    """Check that two processes train one run together, where two GPUs are."""
    if machine.gpus < 2:
        print("-      two processes for one run: not checked without two GPUs", flush=True)
        return
    # Any device, not the one under test: each process takes a GPU of its own.
    ended = machine.study("two", "--methods", "kd,matekd", "--processes", "2", "--device", "cuda")
    scored = [record for record in machine.records("two").values() if record.task_score is not None]
    text = f"{len(scored)} runs in {ended.seconds:.0f} s {ended.problem}"
    machine.check(PROCESSES, "two processes for one run", not ended.code and len(scored) == 2, text)


def measure_updates(machine: Machine) -> list[str]:
    """Measure the updates at the sizes of both presets and return the rows of the table."""
    import torch

    rows = []
    for preset in PRESETS:
        try:
            for method, phase, cost in costs(preset, torch.device(machine.device), small=machine.small):
                whose = "generator's" if phase == "own" else "student's"
                rows.append(row((f"`{preset}`", f"`{method}`", whose, *cost.cells())))
        except Exception as error:  # whatever a GPU does wrong, the other checks count
            text = f"{type(error).__name__}: {str(error)[:300]}"
            machine.check(UPDATES, f"updates at the size of {preset}", False, text)
        else:
            machine.check(UPDATES, f"updates at the size of {preset}", True, "in the table")
    return rows


def row(cells: Sequence[str]) -> str:
    """Return a row of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def table(machine: Machine, rows: Sequence[str]) -> str:
    """Return the table with date and device, ready for docs/speed.md."""
    import torch

    name = torch.cuda.get_device_name(machine.device) if machine.gpus else "no GPU"
    versions = f"torch {torch.__version__}, CUDA {torch.version.cuda}"
    where = f"{datetime.date.today().isoformat()}, {machine.device} ({name}), {versions}"
    small = ", tiny networks" if machine.small else ""
    ruler = row(["---"] * 3 + ["---:"] * 4)
    return "\n".join([f"{where}{small}:", "", row(HEADINGS), ruler, *rows])


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what was typed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda:0", help="device under test (default cuda:0)")
    parser.add_argument(
        "--small", action="store_true", help="few rows, tiny networks: tries the script itself"
    )
    parser.add_argument("--only", choices=("runs", "updates"), help="one half of the checks")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make every check and return the exit code."""
    import torch

    options = options_of(arguments)
    gpus = torch.cuda.device_count() if options.device.startswith("cuda") else 0
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as folder:
        machine = Machine(options.device, gpus, options.small, Path(folder))
        checks: tuple[Any, ...] = (
            check_doctor, check_precisions, check_same_bits, check_at_a_time, check_processes,
        )  # fmt: skip
        for check in () if options.only == "updates" else checks:
            check(machine)
        rows = [] if options.only == "runs" else measure_updates(machine)
    if rows:
        print(f"\n{table(machine, rows)}")
    print(f"\nexit code {machine.failed}")
    return machine.failed


if __name__ == "__main__":
    sys.exit(main())
