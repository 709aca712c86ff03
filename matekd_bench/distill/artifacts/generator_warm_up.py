"""The warm-up of a generator whose vocabulary head is untrained: it learns to fill masks in training text."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, SupportsFloat

import torch
import torch.nn.functional as F
from torch import Tensor

from matekd_bench.distill.data.batches import Assembler, to_device
from matekd_bench.distill.data.corpus import Corpus
from matekd_bench.distill.data.order import DataOrder, PlannedUpdate
from matekd_bench.distill.device import ResolvedPrecision, seed_draws
from matekd_bench.distill.flops import Meter
from matekd_bench.distill.models.masked_lm import MaskedRowsLM
from matekd_bench.distill.models.positions import positions
from matekd_bench.distill.settings import GeneratorSettings
from matekd_bench.distill.training.forward_passes import autocast
from matekd_bench.distill.training.loss import upcast
from matekd_bench.distill.training.loss_scale import LossScale
from matekd_bench.distill.training.optimizer import FiniteChecks, Later, make_optimizer, step
from matekd_bench.distill.training.resume import read_weights
from matekd_bench.methods.context import Tokens
from matekd_bench.methods.views import Batch
from matekd_bench.seeds import seed_of


class GeneratorWarmUp:
    """The training of a whole generator in place on training text, for a preparation.

    `task` names the text, in seeds and in the budget. Every masked position shows [MASK], as it does when methods use
    the generator. One row in twenty is held out, at most 256. It is no `TrainingSession`: there are no views,
    teachers or pieces, only one loss. Both use the same data orders, batches, optimizer steps, meter and checkpoints.
    """

    def __init__(
        self,
        network: MaskedRowsLM,
        corpus: Corpus,
        settings: GeneratorSettings,
        tokens: Tokens,
        *,
        task: str,
        device: torch.device,
        precision: ResolvedPrecision,
    ) -> None:
        self.network, self.meter = network.to(device).train(), Meter()
        self.meter.register("generator", network.flops)
        self.modules, self.updates = [network], 0
        # Chosen by id, so that the order of the rows does not matter. A single row is both held out and trained on.
        self._held_out = sorted(range(len(corpus)), key=lambda row: corpus.uids[row])[
            : max(1, min(256, len(corpus) // 20))
        ]
        self._rows = sorted(set(range(len(corpus))) - set(self._held_out)) or self._held_out
        self.limit = settings.budget.resolve(task, len(self._rows), settings.optimizer.batch_size)
        self._optimizer = make_optimizer(network, settings.optimizer)
        self._corpus, self._settings, self._tokens, self._task = corpus, settings, tokens, task
        self._device, self._precision = device, precision
        self._loss_scale = LossScale(device, precision)
        self.checks = FiniteChecks(late=device.type == "cuda" and not self._loss_scale.enabled)

    @property
    def spent(self) -> int:
        """The number of updates, the unit of the limit."""
        return self.updates

    def losses(self) -> Generator[SupportsFloat, None, None]:
        """Train to the limit and yield the loss of each update."""
        for update, batch in islice(self._batches(), self.updates, None):
            # Study seed 0: a generator is made once per task. One key per update makes a resumed warm-up the same.
            seed_draws(seed_of(0, self._task, "generator-dropout", update), self._device)
            self._set_rate(update)
            batch = to_device(batch, self._device)
            loss = _mean_loss(*self._masked_answers(batch, f"{self._task}/{update}", self.meter))
            self._loss_scale.backward(loss)
            self.checks.read()  # of the update before
            step(
                self.network, self._optimizer, self._settings.optimizer.clip, update=update + 1, whose="the generator",
                scale=self._loss_scale, checks=self.checks,
            )  # fmt: skip
            self._loss_scale.adjust()
            self.updates = update + 1
            yield Later(loss) if self.checks.late else float(loss.detach())

    def _batches(self) -> Iterator[tuple[int, Batch]]:
        """Yield the number and the batch, on the CPU, of each update."""
        assemble, size = Assembler(self._corpus, 0, self._task), self._settings.optimizer.batch_size
        lengths = [len(self._corpus.encoded[row].ids) for row in self._rows]
        order = DataOrder(lengths, size, 0, self._task, "generator-order")
        for update, (epoch, rows) in zip(range(self.limit), order, strict=False):
            yield update, assemble(PlannedUpdate("student", update, epoch, [self._rows[row] for row in rows]))

    def _set_rate(self, update: int) -> None:
        """Set the rate in the middle of the update, so that neither the first nor the last rate is zero."""
        settings, middle = self._settings.optimizer, (update + 0.5) / self.limit
        for group in self._optimizer.param_groups:
            group["lr"] = settings.lr * settings.factor(middle, ("student_updates", self.limit))

    def state_dict(self) -> dict[str, Any]:
        """Return everything that changes, except the weights."""
        return {
            "updates": self.updates,
            "optimizer": self._optimizer.state_dict(),
            "loss_scale": self._loss_scale.state_dict(),
            "meter": self.meter.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any], folder: Path) -> None:
        """Continue from a :meth:`state_dict` and the weights that a checkpoint has in `folder`."""
        read_weights(folder, self.modules)
        self.updates = state["updates"]
        self._optimizer.load_state_dict(state["optimizer"])
        self._loss_scale.load_state_dict(state["loss_scale"])
        self.meter.load_state_dict(state["meter"])

    @torch.no_grad()
    def held_out(self) -> dict[str, float]:
        """Measure the generator on masked positions of the held-out rows.

        `accuracy` is the share of positions whose token it ranks first. `perplexity` is the exponential of the mean
        cross-entropy (in nats) of their tokens.
        """
        self.network.eval()  # without dropout
        assemble, correct, count, total_loss = Assembler(self._corpus, 0, "held-out"), 0.0, 0, 0.0
        for start in range(0, len(self._held_out), 32):
            rows = self._held_out[start : start + 32]
            batch = to_device(assemble(PlannedUpdate("student", start, 0, rows)), self._device)
            logits, targets = self._masked_answers(batch, "held-out", None)
            correct, count = correct + float((logits.argmax(-1) == targets).sum()), count + len(targets)
            total_loss += float(_mean_loss(logits, targets)) * len(targets)
        count = max(1, count)
        return {"accuracy": correct / count, "perplexity": math.exp(total_loss / count)}

    def _masked_answers(self, batch: Batch, key: str, meter: Meter | None) -> tuple[Tensor, Tensor]:
        """Mask random positions; return the logits [N, V] and the tokens [N] there.

        The masks are seeded by `key` and the batch's first example. The pass is counted in `meter` if one is given.
        """
        # Drawn on the CPU: the same masks on every device.
        noise = torch.rand(
            batch.ids.shape, generator=torch.Generator().manual_seed(seed_of(0, key, *batch.uids[:1]))
        )
        # Special tokens and padding are never masked.
        at = (noise.to(batch.ids.device) < self._settings.mask_rate) & ~batch.special
        ids = batch.ids.masked_fill(at, self._tokens.mask or 0)
        if meter is not None:
            self.network.book(meter, "generator", ids, batch.mask, batch.types, at)
        with autocast(batch.ids.device, self._precision):
            logits = upcast(self.network(ids, batch.mask, batch.types, at))
        return logits, batch.ids[positions(at).index]


def _mean_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Compute the mean cross-entropy of the tokens; 0, not NaN, if there is none."""
    return F.cross_entropy(logits, targets, reduction="sum") / max(1, len(targets))
