"""Compare the numbers of two checkouts bit by bit: `python benchmarks/same_numbers.py OLD NEW`.

Both train the same small studies in one process with one thread: every method for four updates on two tasks of
mini-GLUE, teachers and the generator's warm-up included; a tuned study; a run that is interrupted and resumed. Then
the script compares

- the logits of every evaluation, and the weights of teachers, generators and kept students, bit by bit,
- every list of parts that a seed was made of, and how often,
- the records, field by field,
- run ids and protocol ids over a grid of studies: what was equal is equal, what was different is different,
- the exports of the committed reference studies, line by line.

Exit status 0: nothing differs. Identifiers (hashes) are compared as places, not as text.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from side_by_side import report

METHODS = (
    "finetune,random-mask,random-token,frozen-generator,matekd,matekd[variant=official],eda,aeda,tinybert-aug,"
    "freelb,r3f,smart,vat,cutoff,mixup,worst-of-n[eda],nlpaug:char-delete,nlpaug:char-insert,nlpaug:char-substitute,"
    "nlpaug:char-swap,nlpaug:delete,nlpaug:keyboard,nlpaug:ocr,nlpaug:spelling,nlpaug:split,nlpaug:substitute,"
    "nlpaug:swap"
)
SMALL = (
    *("--preset", "mini", "--limit-train", "64", "--limit-eval", "20", "--budget", "student_updates=4"),
    *("--device", "cpu", "--precision", "float32", "--threads", "1", "--jobs", "1"),
)
STUDIES: Mapping[str, tuple[str, ...]] = {
    "all": ("--methods", METHODS, "--tasks", "rte,stsb", "--set", "matekd.generator_updates=2",
            "--set", "matekd.student_updates=2"),
    "tuned": ("--methods", "eda", "--tasks", "rte", "--tune", "3", "--seeds", "2"),
    "resumed": ("--methods", "stopping", "--tasks", "rte", "--seeds", "1"),
}  # fmt: skip
EXPORTS = tuple(f"leaderboard.{kind}" for kind in ("csv", "json", "md", "tex", "html"))
PLOTS = tuple(f"{name}.svg" for name in ("forest", "curves", "cost", "heatmap"))

# Studies that are planned, or trained for one update, for their ids alone.
PLANNED: Mapping[str, tuple[str, ...]] = {
    "base": (), "again": (), "jobs": ("--jobs", "2"), "fewer seeds": ("--seeds", "1"),
    "other seeds": ("--first-seed", "7"), "kept none": ("--keep", "none"), "set": ("--set", "eda.alpha=0.2"),
    "more train": ("--limit-train", "32"),
    "less dev": ("--limit-eval", "10"), "longer": ("--budget", "student_updates=5"),
    "examples": ("--budget", "clean_examples=32"), "holdout": ("--eval-on", "holdout"), "threads": ("--threads", "2"),
    "deterministic": ("--deterministic",), "student": ("--student", "layers:3"),
    "generator": ("--generator", "layers:3"), "tuned": ("--tune", "2"),
    "tuned more": ("--tune", "3"), "precision": ("--precision", "bf16"),
}  # fmt: skip
PLANNED_METHODS = (
    "kd,kd@2x,finetune,eda,eda[alpha=0.2],matekd,matekd[variant=official],freelb,worst-of-n[eda],random-mask"
)
PROTOCOLS = (
    "base",
    "jobs",
    "more train",
    "less dev",
    "longer",
    "examples",
    "holdout",
    "student",
    "tuned",
    "precision",
)

CONFIG = """\
[teacher]
optimizer = { lr = 1e-3, batch_size = 16 }
budget = { limit = 6 }

[generator]
checkpoint = "GENERATOR"
optimizer = { lr = 1e-3, batch_size = 16 }
budget = { limit = 6 }

[training]
evaluations = 2
optimizer = { lr = 1e-3, batch_size = 8, micro_batch = 4 }
"""
# A method that stops its own process once, in the second of four updates.
STOPPING = """\
import os, signal
from pathlib import Path
from matekd_bench import Method, NoParams, Perturbation, hookimpl

class Stopping(Perturbation[NoParams]):
    def views(self, batch, models):
        marker = Path(os.environ["SAME_NUMBERS_MARKER"])
        if batch.update >= 2 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGTERM)
        yield batch.clean

@hookimpl
def matekd_bench_methods():
    yield Method(name="stopping", summary="kd that is interrupted", params=NoParams, factory=Stopping,
                 level="token", version="1")
"""


def main() -> int:
    """Run both checkouts and print what differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument(
        "--keep", type=Path, help="Where to leave what both wrote; default: a temporary folder."
    )
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        home = arguments.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sides = [home / "old", home / "new"]
        for checkout, side in zip((arguments.old, arguments.new), sides, strict=True):
            if not (side / "done").exists():
                shutil.rmtree(side, ignore_errors=True)
                side.mkdir(parents=True)
                _run(checkout.resolve(), side)
                (side / "done").touch()
        return report(sides[0], sides[1], list(STUDIES))


def _run(checkout: Path, side: Path) -> None:
    """Train the studies and write the exports of one checkout in a process of its own."""
    metadata = side / "metadata"
    _write_metadata(checkout, metadata)
    path = [metadata, checkout, checkout / "plugins", checkout / "tasks"]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MATEKD_BENCH_CACHE": str(side / "cache"),
        "SAME_NUMBERS_MARKER": str(side / "interrupted"),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "200",
    }
    command = [sys.executable, __file__, "--probe", str(checkout), str(side)]
    subprocess.run(command, check=True, env=environment, cwd=side)


def _write_metadata(checkout: Path, folder: Path) -> None:
    """Write the entry points of a checkout as an installed distribution has them, so that none must be installed."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    info = folder / f"matekd_bench-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.4\nName: matekd-bench\nVersion: {project['version']}\n"
    )
    lines: list[str] = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


def _probe(checkout: Path, side: Path) -> int:
    """Train and export in this process, and write down every list of parts that a seed is made of."""
    import matekd_bench
    from matekd_bench import seeds

    if not Path(matekd_bench.__file__).is_relative_to(checkout):
        raise SystemExit(f"{matekd_bench.__file__} is not in {checkout}")
    drawn: Counter[str] = Counter()
    original = seeds.seed_of

    def seed_of(*parts: str | int) -> int:
        drawn[repr(parts)] += 1
        return original(*parts)

    seeds.seed_of = seed_of  # before any other module has taken the name
    from matekd_bench.cli import main as command_line

    (side / "stopping.py").write_text(STOPPING)
    (side / "tiny.toml").write_text(CONFIG.replace("GENERATOR", str(_headless(checkout, side))))
    for name, options in STUDIES.items():
        command = [
            "run",
            *options,
            *SMALL,
            "--config",
            str(side / "tiny.toml"),
            "--results",
            str(side / name),
        ]
        if name == "resumed":
            command += ["--plugin", str(side / "stopping.py")]
            drawn_before = Counter(drawn)
            assert command_line([*command, "--quiet"]) == 128 + 15, "the run was not interrupted"
            drawn = drawn_before  # how often a resumed run asks again depends on where it was stopped
        if code := command_line([*command, "--quiet"]):
            raise SystemExit(f"study '{name}' ended with exit code {code}")
    (side / "ids.json").write_text(json.dumps(_ids(command_line, side)))
    (side / "seeds.json").write_text(json.dumps(drawn, indent=0, sort_keys=True))
    for runs in sorted((checkout / "results" / "reference").glob("*/runs")):
        _export(command_line, runs.parent, side / "exports" / runs.parent.name)
    return 0


def _ids(command_line: Callable[[list[str]], int], side: Path) -> dict[str, str]:
    """Run ids of the planned studies, and the protocol ids of some of them, by what they belong to."""
    found: dict[str, str] = {}
    for name, options in PLANNED.items():
        command = [
            "run",
            "--tasks",
            "rte,sst2",
            "--seeds",
            "2",
            *SMALL,
            *options,
            "--config",
            str(side / "tiny.toml"),
        ]
        planned = [
            *command,
            "--methods",
            PLANNED_METHODS,
            "--results",
            str(side / "nothing"),
            "--dry-run",
            "--json",
        ]
        with contextlib.redirect_stdout(io.StringIO()) as screen:
            assert command_line(planned) == 0, name
        for run in json.loads(screen.getvalue())["runs"]:
            found[f"run {name}: {run['method']} {run['task']} {run['seed']}"] = run["run_id"]
    for number, name in enumerate(PROTOCOLS):
        results = side / "protocols" / str(number)
        short = [*SMALL, "--budget", "student_updates=1", *PLANNED[name], "--config", str(side / "tiny.toml")]
        assert (
            command_line(
                ["run", "--methods", "kd", "--tasks", "rte", *short, "--results", str(results), "--quiet"]
            )
            == 0
        )
        record = json.loads(next((results / "runs").glob("*/record.json")).read_text())
        found[f"protocol {name}"] = record["identity"]["protocol_id"]
    return found


def _export(command_line: Callable[[list[str]], int], results: Path, folder: Path) -> None:
    """Write every export of a results folder, and what `leaderboard` prints."""
    folder.mkdir(parents=True)
    source = ["--results", str(results)]
    files = [str(folder / name) for name in (*EXPORTS, *PLOTS)]
    assert command_line(["export", *files, *source]) == 0
    assert command_line(["export", str(folder / "runs.csv"), "--table", "runs", *source]) == 0
    with contextlib.redirect_stdout(io.StringIO()) as screen:
        assert command_line(["leaderboard", *source]) == 0
    (folder / "screen.txt").write_text(screen.getvalue())


def _headless(checkout: Path, side: Path) -> Path:
    """A copy of the tiny checkpoint without its vocabulary head, so that the generator needs a warm-up."""
    from safetensors.torch import load_file, save_file

    folder = side / "headless"
    shutil.copytree(checkout / "tasks/matekd_tasks/mini/checkpoint", folder)
    for path in folder.glob("*.safetensors"):
        weights = {name: value for name, value in load_file(path).items() if not name.startswith("cls.")}
        save_file(weights, path, metadata={"format": "pt"})
    return folder


if __name__ == "__main__":
    if sys.argv[1:2] == ["--probe"]:
        sys.exit(_probe(Path(sys.argv[2]), Path(sys.argv[3])))
    sys.exit(main())
