"""What an update of each method costs relative to `kd`: measured, and predicted from the suite's own FLOP counts.

    python benchmarks/update_cost.py --glue-dir DIR --task cola --batches 3 --rounds 2

Teacher MiniLM-L6, student and generator its layers 0, 1, 3, 5, batches of 32, the teacher's clean answers cached as in
a run. Measured is processor time on one thread, which other work on the machine changes little: methods take turns,
and the fastest round of each counts. Batches are prepared before the clock starts; what a run waits for them is
measured apart, in the trainer's own loop. An update of `matekd` includes its share of the generator's. Predicted is

    (FLOPs * seconds per FLOP + optimizer) / (the same of kd)

with the seconds per FLOP of kd's passes and the optimizer's step (clipping, AdamW over weights and embeddings) timed
alone: its time depends on the number of weights and not on the text.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias
from unittest.mock import patch

from minilm import MINILM, batches, parts_of, session_of

LAYERS, SIZE, ROWS = (0, 1, 3, 5), 32, 160
METHODS = (
    "kd,finetune,random-mask,random-token,frozen-generator,matekd,eda[thesaurus=embedded],aeda,nlpaug:swap,tinybert-aug,"
    "worst-of-n[eda[thesaurus=embedded]],cutoff,freelb,r3f,smart,vat"
)
WITHIN, MATEKD, WAITING = 0.25, 3.8, 0.02
Phase: TypeAlias = Literal["student", "own"]


@dataclass
class Cost:
    """Processor seconds and FLOPs of an update; the weights stepped in it, as a multiple of the student's."""

    seconds: float
    flops: float
    stepped: float = 1.0


class Contender:
    """A method at work on the student that all share, with the batches it is timed on."""

    def __init__(self, resolved: Any, parts: Any, count: int) -> None:
        from matekd_bench.distill.settings import Optimizer

        self.name = resolved.variant
        self.session = session_of(resolved.record, resolved.params, self.name, parts, Optimizer(lr=1e-5))
        self.trainer = self.session.trainer
        self.rows = batches(parts, SIZE, count)
        self.phases: tuple[Phase, ...] = ("student", "own") if self.session.method.cycle else ("student",)
        for phase in self.phases:  # optimizers make their state at the first step
            self.trainer.update(self.session.batch(self.rows[0][:2], phase=phase))

    def timed(self, phase: Phase) -> Cost:
        """The mean over the batches."""
        made = [self.session.batch(rows, update=at, phase=phase) for at, rows in enumerate(self.rows)]
        flops, started = self.session.meter.flops, time.process_time()
        for batch in made:
            self.trainer.update(batch)
        taken = time.process_time() - started
        weights = sum(one.numel() for one in self.session.models.student.parameters())
        theirs = sum(one.numel() for own in self.session.context.trained for one in own.module.parameters())
        stepped = 1.0 if phase == "student" else theirs / weights
        return Cost(taken / len(made), (self.session.meter.flops - flops) / len(made), stepped)

    def cost(self) -> Cost:
        """A student's update with its share of the method's own."""
        student = self.timed("student")
        cycle = self.session.method.cycle
        if cycle is None:
            return student
        own, share = self.timed("own"), cycle.auxiliary / cycle.student
        return Cost(
            student.seconds + share * own.seconds, student.flops + share * own.flops, 1 + share * own.stepped
        )

    def optimizer(self) -> float:
        """Processor seconds of one step of the student's optimizer, the fastest of five."""
        import torch

        from matekd_bench.distill.training.optimizer import step

        student, taken = self.session.models.student, []
        for _ in range(5):
            for weight in student.parameters():
                weight.grad = torch.full_like(weight, 1e-8)
            started = time.process_time()
            step(student, self.trainer._optimizer, 1.0, update=0, whose="the student")
            taken.append(time.process_time() - started)
        return min(taken)

    def waiting(self, updates: int) -> float:
        """The share of time that the trainer's loop waits for its next batch, the first one left out."""
        from matekd_bench.distill.data.batches import Prefetch
        from matekd_bench.distill.data.order import DataOrder

        waits: list[float] = []

        class Timed(Prefetch[Any]):
            def __next__(self) -> Any:
                started = time.perf_counter()
                item = super().__next__()
                waits.append(time.perf_counter() - started)
                return item

        order = DataOrder(self.session.parts.corpus.lengths, SIZE, 0, self.session.parts.task.name, "waiting")
        with (
            patch("matekd_bench.distill.training.trainer.Prefetch", Timed),
            closing(self.trainer.run(order, order, self.session.assembler)) as losses,
        ):
            next(losses)
            started, known = time.perf_counter(), len(waits)
            for _ in range(updates):
                next(losses)
            return sum(waits[known:]) / (time.perf_counter() - started)


def contenders(options: argparse.Namespace) -> list[Contender]:
    """The methods of `--methods`, `kd` first."""
    from matekd_bench.methods.params import resolve_all
    from matekd_bench.plugins.host import Host

    host = Host.load(only_builtin=True)
    found = resolve_all(f"kd,{options.methods}", lambda name: host.method(name).record, {})
    parts = parts_of(
        options.task, options.glue_dir, checkpoint=options.checkpoint, layers=LAYERS, rows=ROWS
    )  # fmt: skip
    return [Contender(one, parts, options.batches) for one in found]


def fastest(costs: Sequence[Cost]) -> Cost:
    """The round that took least."""
    return min(costs, key=lambda cost: cost.seconds)


def report(costs: dict[str, Cost], optimizer: float, waiting: dict[str, float]) -> str:
    """The table in Markdown, ready for the documents."""
    kd = costs["kd"]
    per_flop = (kd.seconds - optimizer) / kd.flops
    lines = [
        f"kd: {kd.seconds:.2f} s an update, {optimizer:.2f} of them the optimizer's ({optimizer / kd.seconds:.0%})", "",
        "| method | GFLOPs | x kd FLOPs | predicted | measured | off by | waits for data |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    for name, cost in costs.items():
        predicted = (cost.flops * per_flop + cost.stepped * optimizer) / kd.seconds
        measured = cost.seconds / kd.seconds
        waits = f"{waiting[name]:.1%}" if name in waiting else ""
        lines.append(
            f"| {name} | {cost.flops / 1e9:.1f} | {cost.flops / kd.flops:.2f} | {predicted:.2f} | {measured:.2f} | "
            f"{measured / predicted - 1:+.0%} | {waits} |"
        )
    lines += ["", f"Wanted: off by at most {WITHIN:.0%}; matekd under {MATEKD}; waiting under {WAITING:.0%}."]
    return "\n".join(lines)


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What was typed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--glue-dir", type=Path, help="folder with the task's train.tsv (default: made-up text)"
    )
    parser.add_argument("--task", default="cola", help="task of two classes (default cola)")
    parser.add_argument("--methods", default=METHODS, help="as for matekd-bench run (default: all built in)")
    parser.add_argument("--checkpoint", default=MINILM, help="the teacher's (default MiniLM-L6)")
    parser.add_argument("--batches", type=int, default=3, help="batches of a round (default 3)")
    parser.add_argument(
        "--rounds", type=int, default=2, help="rounds, of which the fastest counts (default 2)"
    )
    parser.add_argument(
        "--waiting", type=int, default=0, help="updates over which waiting is measured (default: not)"
    )
    return parser.parse_args(arguments)


def main() -> None:
    """Reads the options, measures and prints."""
    import torch

    options = options_of()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found = contenders(options)
    rounds: dict[str, list[Cost]] = {one.name: [] for one in found}
    for _ in range(options.rounds):
        for one in found:
            rounds[one.name].append(one.cost())
    optimizer = found[0].optimizer()
    waiting = {one.name: one.waiting(options.waiting) for one in found} if options.waiting else {}
    print(report({name: fastest(costs) for name, costs in rounds.items()}, optimizer, waiting))


if __name__ == "__main__":
    main()
