"""How much faster and smaller MATE-KD's student step is here than the same step written plainly, at batch 32.

    python benchmarks/student_step.py --glue-dir DIR --threads 2 --steps 4 --rounds 2

The plain loop does what the released code does: every text padded to 128 tokens, the generator's vocabulary head at
every position, one-hot rows times the embedding matrix of teacher and student, clean answers of the teacher computed
anew, a graph through all three networks. The suite's step is the trainer's own. Teacher: MiniLM-L6; student and
generator: its first three layers; float32. Each contender runs in a process of its own, whose largest memory counts,
Python and the libraries included; they take turns, and of each the fastest round counts. Seconds are also given as
processor time, which other work on the machine changes less as long as each process has one thread. What the plain
loop takes does not depend on the text: it is measured on RTE's alone. Without --glue-dir the texts are made up, of
the lengths that RTE's and SST-2's have.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from minilm import LENGTH, MINILM, batches, parts_of, session_of

LAYERS = (0, 1, 2)
BATCH, ROWS = 32, 640
Step: TypeAlias = Callable[[Sequence[int], int], object]
MASKED, CLIP = 0.3, 5.0
WANTED = {"rte": 8.0, "sst2": 25.0}  # times faster
LESS_MEMORY = 3.0  # times


@dataclass(frozen=True)
class Sample:
    """What a contender took: seconds and processor seconds of a step, its mean length, the process's peak in bytes."""

    seconds: float
    processor: float
    tokens: float
    peak: int


def suite(parts: Any) -> Callable[[Sequence[int], int], None]:
    """The suite's student step."""
    from matekd_bench.distill.settings import Optimizer
    from matekd_bench.plugins.host import Host

    record = Host.load(only_builtin=True).method("matekd").record
    session = session_of(record, record.params(), "matekd", parts, Optimizer(lr=2e-5, clip=CLIP))

    def step(rows: Sequence[int], update: int) -> None:
        session.trainer.update(session.batch(rows, update=update))

    return step


def plain(parts: Any, lr: float = 2e-5) -> Callable[[Sequence[int], int], float]:
    """The same step as one would write it down: returns its loss."""
    import torch
    import torch.nn.functional as F

    from matekd_bench.distill.data.batches import pad

    student, teacher, generator = parts.student.train(), parts.teacher.eval(), parts.generator().model.train()
    optimizer = torch.optim.Adam(student.parameters(), lr=lr)

    def divergence(s: Any, t: Any) -> Any:
        return F.kl_div(s.log_softmax(-1), t.log_softmax(-1), log_target=True, reduction="batchmean")

    def step(rows: Sequence[int], update: int) -> float:
        corpus, tokens = parts.corpus, parts.student_encoder.tokens
        ids, mask, special, _ = pad([corpus.encoded[row] for row in rows], corpus.pad)
        short = LENGTH - ids.shape[1]
        ids, mask = F.pad(ids, (0, short), value=corpus.pad), F.pad(mask, (0, short))
        special, labels = F.pad(special, (0, short), value=True), corpus.labels[torch.tensor(rows)]
        at = (torch.rand(ids.shape) < MASKED) & ~special
        scores = generator(input_ids=ids.masked_fill(at, tokens.mask), attention_mask=mask).logits
        noise = -(-torch.rand_like(scores).clamp(min=1e-20).log()).clamp(min=1e-20).log()
        soft = (scores.log_softmax(-1) + noise).softmax(-1)
        hard = F.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft.dtype)
        words, masked = (hard - soft).detach() + soft, at.unsqueeze(-1).to(soft.dtype)

        def answers(model: Any) -> Any:
            table = model.get_input_embeddings()
            embedded = masked * (words @ table.weight) + (1 - masked) * table(ids)
            return model(inputs_embeds=embedded, attention_mask=mask).logits

        perturbed = divergence(answers(student), answers(teacher))
        clean = student(input_ids=ids, attention_mask=mask).logits
        known = divergence(clean, teacher(input_ids=ids, attention_mask=mask).logits)
        loss = (F.cross_entropy(clean, labels) + known + perturbed) / 3
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), CLIP)
        optimizer.step()
        return float(loss.detach())

    return step


CONTENDERS: dict[str, Callable[[Any], Step]] = {"plain": plain, "suite": suite}
PAIRS = (("plain", "rte"), ("suite", "rte"), ("suite", "sst2"))


def sample(contender: str, task: str, options: argparse.Namespace) -> Sample:
    """Measures one contender in this process: the mean of its steps after a small one that does not count."""
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    parts = parts_of(task, options.glue_dir, checkpoint=options.checkpoint, layers=LAYERS, rows=ROWS)
    step, rows = CONTENDERS[contender](parts), batches(parts, BATCH, options.steps)
    step(rows[0][:2], 0)
    started, processor = time.perf_counter(), time.process_time()
    for update, batch in enumerate(rows, start=1):
        step(batch, update)
    seconds, processed = time.perf_counter() - started, time.process_time() - processor
    longest = [max(parts.corpus.lengths[row] for row in batch) for batch in rows]
    tokens = LENGTH if contender == "plain" else sum(longest) / len(longest)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Sample(seconds / len(rows), processed / len(rows), tokens, peak)


def in_a_process(contender: str, task: str) -> Sample:
    """The same, in a process of its own."""
    command = [sys.executable, __file__, *sys.argv[1:], "--only", contender, task]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Sample(**json.loads(done.stdout.splitlines()[-1]))


def best(samples: Sequence[Sample]) -> Sample:
    """The fastest of several rounds, by each clock, with the largest memory."""
    return Sample(
        min(one.seconds for one in samples), min(one.processor for one in samples), samples[0].tokens,
        max(one.peak for one in samples),
    )  # fmt: skip


def report(found: dict[tuple[str, str], Sample]) -> str:
    """What each took, then the ratios and what was wanted."""
    lines = ["step         tokens   seconds  processor   memory"]
    for (contender, task), one in found.items():
        lines.append(
            f"{contender:6}{task:6}{one.tokens:7.1f}{one.seconds:10.2f}{one.processor:11.2f}{one.peak / 1e9:6.2f} GB"
        )
    for task, wanted in WANTED.items():
        ours, theirs = found["suite", task], found["plain", "rte"]
        lines.append(
            f"{task}: {theirs.seconds / ours.seconds:.1f} times faster ({theirs.processor / ours.processor:.1f} by "
            f"processor time; {wanted:.0f} wanted), {theirs.peak / ours.peak:.1f} times less memory "
            f"({LESS_MEMORY:.0f} wanted)"
        )
    return "\n".join(lines)


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What was typed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--glue-dir", type=Path, help="folder with RTE/train.tsv and SST-2/train.tsv")
    parser.add_argument("--checkpoint", default=MINILM, help="the teacher's (default MiniLM-L6)")
    parser.add_argument("--threads", type=int, default=2, help="of each process (default 2)")
    parser.add_argument("--steps", type=int, default=4, help="steps of a round, after one more (default 4)")
    parser.add_argument(
        "--rounds", type=int, default=2, help="rounds, of which the fastest counts (default 2)"
    )
    parser.add_argument("--only", nargs=2, metavar=("CONTENDER", "TASK"), help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> None:
    """Reads the options, measures and prints."""
    options = options_of()
    if options.only:
        contender, task = options.only
        print(json.dumps(asdict(sample(contender, task, options))))
        return
    rounds: dict[tuple[str, str], list[Sample]] = {pair: [] for pair in PAIRS}
    for _ in range(options.rounds):
        for pair in PAIRS:
            rounds[pair].append(in_a_process(*pair))
    print(report({pair: best(samples) for pair, samples in rounds.items()}))


if __name__ == "__main__":
    main()
