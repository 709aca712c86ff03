"""Compare the suite's updates with the same updates written without it, in turns within one run.

    python benchmarks/updates.py --glue-dir DIR

1. An update of `kd`, `eda`, `random-mask`, `freelb` and `matekd` (its student's) by `TrainingSession.losses()`, and the
   same rows through the loops of `bare_loops.py`. The two take turns, update by update; each pair gives one ratio.
2. `kd` and transformers' `Trainer` with the teacher in the loop (`trainer_loop.py`), with batches of similar length and
   without. They take turns, epoch by epoch over 640 rows of CoLA.
3. MATE-KD's two updates and the same written densely (`plain_matekd.py`), each in a process of its own, whose largest
   memory counts. What the dense one takes does not depend on the text: it is measured on RTE's alone.
4. Where the trainer's part of an update of `kd` goes (`beyond_bare.py`), at CoLA's lengths.

Teacher MiniLM-L6; student and generator its layers 0, 1, 3, 5 (its first three in part 3); batches of 32, float32,
dropout on, fused AdamW, gradients clipped. Printed are medians and, beside them, what was wanted and what was predicted
before the first run. `--processor` compares processor time in place of the clock: with `--threads 1`, other work on the
machine changes that less. Without --glue-dir the texts are made up, as long as those of the tasks.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import asdict, replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from minilm import MINILM, parts_of, session_of
from plain_matekd import Sample, measure

METHODS = ("kd", "eda", "random-mask", "freelb", "matekd")
TASKS = ("cola", "sst2", "rte")
LAYERS, ROWS, EPOCH = (0, 1, 3, 5), 6400, 640
LR, CLIP, BATCH = 2e-4, 1.0, 32
# Written down before the first run.
LONGEST = 1.05  # times the bare loop, wanted
PREDICTED = {
    "cola": {"kd": 1.03, "eda": 1.04, "random-mask": 1.03, "freelb": 1.05, "matekd": 1.04},
    "sst2": {"kd": 1.03, "eda": 1.04, "random-mask": 1.03, "freelb": 1.05, "matekd": 1.04},
    "rte": {"kd": 1.01, "eda": 1.02, "random-mask": 1.01, "freelb": 1.03, "matekd": 1.02},
}
TRAINER = {
    True: (1.4, 1.5),
    False: (2.3, 2.4),
}  # grouped by length: times slower than `kd`, wanted and predicted
# Times slower than the suite's, wanted and predicted; times more memory, wanted and predicted.
PLAIN = {
    ("student", "rte"): (10.0, 9.0, 5.0, 4.5), ("student", "sst2"): (45.0, 40.0, 5.0, 7.0),
    ("generator", "rte"): (10.0, 7.0, 5.0, 4.0), ("generator", "sst2"): (45.0, 30.0, 5.0, 6.0),
}  # fmt: skip
Clock = Callable[[], float]


def updates_of(session: Any) -> Iterator[Any]:
    """The batches of the session's updates, in its order."""
    for number, (epoch, rows) in enumerate(session._order):
        yield session.batch(rows, update=number, epoch=epoch)


def suite_session(method: str, parts: Any) -> Any:
    """A session of a method with a copy of the student."""
    from matekd_bench.distill.settings import Optimizer
    from matekd_bench.plugins.host import Host

    record = Host.load(only_builtin=True).method(method).record
    params = record.params(**({"thesaurus": "embedded"} if method == "eda" else {}))
    own = replace(parts, student=deepcopy(parts.student))
    return session_of(record, params, method, own, Optimizer(lr=LR, batch_size=BATCH, clip=CLIP))


def pairs(method: str, parts: Any, updates: int, clock: Clock) -> list[tuple[float, float]]:
    """Seconds of an update of the suite and of the bare loop on the same rows, for each of `updates`."""
    import torch
    from bare_loops import BareLoop

    session, taken = suite_session(method, parts), list[tuple[float, float]]()
    bare = getattr(BareLoop(parts, deepcopy(parts.student), LR, CLIP), method.replace("-", "_"))
    torch.manual_seed(0)
    with closing(session.losses()) as losses:
        for number, batch in enumerate(islice(updates_of(session), updates + 1)):
            steps, seconds = (losses.__next__, lambda batch=batch: bare(batch)), [0.0, 0.0]
            for which in (0, 1) if number % 2 else (1, 0):
                started = clock()
                steps[which]()
                seconds[which] = clock() - started
            if number:  # the first makes the optimizers' state and, of `matekd`, the generator's updates
                taken.append((seconds[0], seconds[1]))
    return taken


def pair_row(task: str, method: str, taken: Sequence[tuple[float, float]]) -> str:
    """A line of part 1: medians, and the middle half of the ratios."""
    low, middle, high = quantiles([suite / bare for suite, bare in taken], n=4)
    suite, bare = (median(column) for column in zip(*taken, strict=True))
    predicted = PREDICTED[task][method]
    return (
        f"| {task} | `{method}` | {bare:.3f} | {suite:.3f} | {middle:.3f} | {low:.2f} to {high:.2f} | "
        f"{predicted:.2f} | {LONGEST} |"
    )


def epochs(parts: Any, rounds: int, clock: Clock) -> dict[str, list[float]]:
    """Seconds of an update of `kd` and of both Trainers, epoch by epoch; one more round comes first."""
    from trainer_loop import epoch

    session, student = suite_session("kd", parts), deepcopy(parts.student)
    found: dict[str, list[float]] = {"kd": [], "Trainer, grouped": [], "Trainer": []}
    with closing(session.losses()) as losses, tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            next(losses)  # the Trainer's first update does not count either
            started = clock()
            for _ in range(EPOCH // BATCH - 1):
                next(losses)
            found["kd"].append((clock() - started) / (EPOCH // BATCH - 1))
            for grouped in (True, False):
                seconds = epoch(parts, student, folder, grouped=grouped, lr=LR, clip=CLIP, clock=clock)
                found["Trainer, grouped" if grouped else "Trainer"].append(seconds)
    return found


def epoch_rows(found: dict[str, list[float]]) -> list[str]:
    """The lines of part 2."""
    lines = [f"| `kd` | {median(found['kd']):.3f} | 1.00 | | |"]
    for grouped, (wanted, predicted) in TRAINER.items():
        seconds = found["Trainer, grouped" if grouped else "Trainer"]
        ratio = median(theirs / ours for ours, theirs in zip(found["kd"], seconds, strict=True))
        name = "`Trainer`, grouped by length" if grouped else "`Trainer`"
        lines.append(f"| {name} | {median(seconds):.3f} | {ratio:.2f} | {predicted} | {wanted} |")
    return lines


def in_a_process(contender: str, update: str, task: str) -> Sample:
    """A sample of part 3, from a process of its own."""
    command = [sys.executable, __file__, *sys.argv[1:], "--only", contender, update, task]
    completed = subprocess.run(command, check=True, capture_output=True, text=True)
    return Sample(**json.loads(completed.stdout.splitlines()[-1]))


def plain_row(update: str, task: str, plain: Sequence[Sample], suite: Sequence[Sample], clock: Clock) -> str:
    """A line of part 3."""
    field = "processor" if clock is time.process_time else "seconds"
    theirs, ours = (median(getattr(sample, field) for sample in samples) for samples in (plain, suite))
    memory = [max(sample.peak for sample in samples) for samples in (plain, suite)]
    wanted, predicted, less, predicted_less = PLAIN[update, task]
    return (
        f"| {update}'s, {task} | {suite[0].tokens:.1f} | {theirs:.2f} | {ours:.2f} | {theirs / ours:.1f} | "
        f"{predicted} | {wanted} | {memory[0] / 1e9:.1f} GB | {memory[1] / 1e9:.1f} GB | {memory[0] / memory[1]:.1f} | "
        f"{predicted_less} | {less} |"
    )


def compare_bare(options: argparse.Namespace, clock: Clock) -> None:
    """Print part 1."""
    print("| task | method | bare, s | suite, s | ratio | middle half | predicted | wanted: at most |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for task in options.tasks.split(","):
        parts = parts_of(task, options.glue_dir, checkpoint=options.checkpoint, layers=LAYERS, rows=ROWS)
        for method in options.methods.split(","):
            print(pair_row(task, method, pairs(method, parts, options.updates, clock)), flush=True)


def compare_trainer(options: argparse.Namespace, clock: Clock) -> None:
    """Print part 2."""
    if find_spec("accelerate") is None:
        print("\nTrainer: not measured, since it needs accelerate: pip install accelerate")
        return
    parts = parts_of("cola", options.glue_dir, checkpoint=options.checkpoint, layers=LAYERS, rows=EPOCH)
    print("\n| loop | s an update | times `kd` | predicted | wanted: at least |")
    print("| --- | ---: | ---: | ---: | ---: |")
    print("\n".join(epoch_rows(epochs(parts, options.rounds, clock))), flush=True)


def compare_plain(options: argparse.Namespace, clock: Clock) -> None:
    """Print part 3."""
    print(
        "\n| update | tokens | plain, s | suite, s | times faster | predicted | wanted | plain's memory ",
        end="",
    )
    print("| suite's memory | times less | predicted | wanted |\n| --- |" + " ---: |" * 11)
    for update in ("student", "generator"):
        found: dict[tuple[str, str], list[Sample]] = {}
        for _ in range(options.plain_rounds):
            for pair in (("plain", "rte"), ("suite", "rte"), ("suite", "sst2")):
                found.setdefault(pair, []).append(in_a_process(pair[0], update, pair[1]))
        for task in ("rte", "sst2"):
            print(plain_row(update, task, found["plain", "rte"], found["suite", task], clock), flush=True)


def show_rest(options: argparse.Namespace, clock: Clock) -> None:
    """Print part 4."""
    from beyond_bare import rows, shares

    parts = parts_of("cola", options.glue_dir, checkpoint=options.checkpoint, layers=LAYERS, rows=EPOCH)
    session = suite_session("kd", parts)
    session.trainer.update(next(updates_of(session)))
    print("\n| the trainer's part of an update of `kd` | at most |\n| --- | ---: |")
    print("\n".join(rows(shares(session.trainer.update, islice(updates_of(session), options.updates)))))


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What was typed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--glue-dir", type=Path, help="folder with CoLA, SST-2 and RTE (default: made-up text)")
    add("--checkpoint", default=MINILM, help="the teacher's (default MiniLM-L6)")
    add("--threads", type=int, default=2, help="of torch (default 2)")
    add("--parts", default="1,2,3,4", help="which to measure (default 1,2,3,4)")
    add("--tasks", default=",".join(TASKS), help="of part 1 (default cola,sst2,rte)")
    add("--methods", default=",".join(METHODS), help="of part 1 (default all five)")
    add("--updates", type=int, default=12, help="of each contender in part 1 (default 12)")
    add("--rounds", type=int, default=4, help="epochs of each contender in part 2 (default 4)")
    add("--plain-rounds", type=int, default=2, help="processes of each contender in part 3 (default 2)")
    add("--steps", type=int, default=2, help="of a process in part 3, after one more (default 2)")
    add("--processor", action="store_true", help="compare processor time")
    add("--only", nargs=3, metavar=("CONTENDER", "UPDATE", "TASK"), help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> None:
    """Read the options, measure and print."""
    import torch

    options = options_of()
    torch.set_num_threads(options.threads)
    if options.only:
        where = {name: getattr(options, name) for name in ("glue_dir", "checkpoint", "threads", "steps")}
        print(json.dumps(asdict(measure(*options.only, **where))))
        return
    clock = time.process_time if options.processor else time.perf_counter
    for number, compare in enumerate((compare_bare, compare_trainer, compare_plain, show_rest), start=1):
        if str(number) in options.parts.split(","):
            compare(options, clock)


if __name__ == "__main__":
    main()
