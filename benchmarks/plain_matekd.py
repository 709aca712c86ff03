"""MATE-KD's two updates written densely, as the released code does, and measured beside the suite's.

Every text is padded to 128 tokens; the generator's vocabulary head runs at every position; one-hot rows times the
embedding matrix carry the text into teacher and student; the teacher's clean answers are computed again; the graph
goes through all three networks. `measure` runs one contender in this process, whose largest memory counts, Python
and the libraries included.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
import torch.nn.functional as F
from bare_loops import MASKED, divergence
from minilm import LENGTH, batches, parts_of, session_of
from torch import Tensor

LAYERS = (0, 1, 2)
BATCH, ROWS, CLIP, LR = 32, 640, 5.0, 2e-5
Update: TypeAlias = Literal["student", "generator"]
Step: TypeAlias = Callable[[Sequence[int], int], float]


@dataclass(frozen=True)
class Sample:
    """One measurement: seconds and processor seconds of a step, mean length in tokens, peak memory in bytes."""

    seconds: float
    processor: float
    tokens: float
    peak: int


def suite(parts: Any, update: Update) -> Step:
    """Return the suite's step: the trainer's own."""
    from matekd_bench.distill.settings import Optimizer
    from matekd_bench.plugins.host import Host

    record = Host.load(only_builtin=True).method("matekd").record
    session = session_of(record, record.params(), "matekd", parts, Optimizer(lr=LR, clip=CLIP))
    phase: Literal["student", "own"] = "own" if update == "generator" else "student"

    def step(rows: Sequence[int], number: int) -> float:
        return float(session.trainer.update(session.batch(rows, update=number, phase=phase)) or 0.0)

    return step


class PlainStep:
    """The same step as one would write it down; called with rows, it returns its loss."""

    def __init__(self, parts: Any, update: Update, lr: float = LR) -> None:
        self._parts, self._update = parts, update
        self.student, self.teacher = parts.student.train(), parts.teacher.eval()
        self.generator = parts.generator().model.train()
        self._trained = self.student if update == "student" else self.generator
        self._optimizer = torch.optim.AdamW(self._trained.parameters(), lr=lr)

    def __call__(self, rows: Sequence[int], number: int) -> float:
        """Make one update."""
        ids, mask, special = self._padded(rows)
        at = (torch.rand(ids.shape) < MASKED) & ~special
        words = self._one_hot(ids, mask, at)
        masked = at.unsqueeze(-1).to(words.dtype)
        perturbed = divergence(
            *(self._logits(model, ids, mask, words, masked) for model in (self.student, self.teacher))
        )
        loss = (
            self._clean_loss(rows, ids, mask) / 3 + perturbed / 3 if self._update == "student" else -perturbed
        )
        self.student.zero_grad()
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._trained.parameters(), CLIP)
        self._optimizer.step()
        return float(loss.detach())

    def _padded(self, rows: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Return ids, attention mask and special flags, padded to the full length."""
        from matekd_bench.distill.data.batches import pad

        corpus = self._parts.corpus
        ids, mask, special, _ = pad([corpus.encoded[row] for row in rows], corpus.pad)
        short = (0, LENGTH - ids.shape[1])
        return F.pad(ids, short, value=corpus.pad), F.pad(mask, short), F.pad(special, short, value=True)

    def _one_hot(self, ids: Tensor, mask: Tensor, at: Tensor) -> Tensor:
        """Return the straight-through Gumbel-softmax [B, L, V] of every position."""
        masked = ids.masked_fill(at, self._parts.student_encoder.tokens.mask)
        scores = self.generator(input_ids=masked, attention_mask=mask).logits
        noise = -(-torch.rand_like(scores).clamp(min=1e-20).log()).clamp(min=1e-20).log()
        soft = (scores.log_softmax(-1) + noise).softmax(-1)
        hard = F.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft.dtype)
        words: Tensor = (hard - soft).detach() + soft
        return words

    @staticmethod
    def _logits(model: Any, ids: Tensor, mask: Tensor, words: Tensor, masked: Tensor) -> Any:
        table = model.get_input_embeddings()
        embedded = masked * (words @ table.weight) + (1 - masked) * table(ids)
        return model(inputs_embeds=embedded, attention_mask=mask).logits

    def _clean_loss(self, rows: Sequence[int], ids: Tensor, mask: Tensor) -> Tensor:
        """Return ``CE + KL`` on the clean text."""
        inputs = {"input_ids": ids, "attention_mask": mask}
        labels = self._parts.corpus.labels[torch.tensor(rows)]
        clean: Tensor = self.student(**inputs).logits
        return F.cross_entropy(clean, labels) + divergence(clean, self.teacher(**inputs).logits)


CONTENDERS: dict[str, Callable[[Any, Update], Step]] = {"plain": PlainStep, "suite": suite}


def measure(
    contender: str,
    update: Update,
    task: str,
    *,
    glue_dir: Path | None,
    checkpoint: str,
    threads: int,
    steps: int,
) -> Sample:
    """Measure one contender in this process: the mean of its steps after a small one that does not count."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    parts = parts_of(task, glue_dir, checkpoint=checkpoint, layers=LAYERS, rows=ROWS)
    step, rows = CONTENDERS[contender](parts, update), batches(parts, BATCH, steps)
    step(rows[0][:2], 0)
    started, processor = time.perf_counter(), time.process_time()
    for number, batch in enumerate(rows, start=1):
        step(batch, number)
    seconds, processed = time.perf_counter() - started, time.process_time() - processor
    longest = [max(parts.corpus.lengths[row] for row in batch) for batch in rows]
    tokens = LENGTH if contender == "plain" else sum(longest) / len(longest)
    return Sample(seconds / len(rows), processed / len(rows), tokens, peak_memory())


def peak_memory() -> int:
    """Return the largest memory of this process in bytes, that of the process that started it left out."""
    status = Path("/proc/self/status")
    if (
        status.exists()
    ):  # Linux: what getrusage says begins with the memory of the process that forked this one
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
