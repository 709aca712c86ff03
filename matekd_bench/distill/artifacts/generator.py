"""The generator of MATE-KD and its ablations, and the warm-up for a generator whose vocabulary head is untrained."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor

from matekd_bench.distill.artifacts.eviction import CacheUse
from matekd_bench.distill.artifacts.preparation import PreparationCheckpoints
from matekd_bench.distill.data.batches import Assembler, to_device
from matekd_bench.distill.data.corpus import Corpus
from matekd_bench.distill.data.order import DataOrder, PlannedUpdate
from matekd_bench.distill.device import ResolvedPrecision, contained_randomness, seed_draws
from matekd_bench.distill.flops import Meter
from matekd_bench.distill.models.masked_lm import MaskedRowsLM
from matekd_bench.distill.models.networks import ModelSource
from matekd_bench.distill.settings import GeneratorSettings
from matekd_bench.distill.training.forward_passes import autocast
from matekd_bench.distill.training.loss import upcast
from matekd_bench.distill.training.optimizer import make_optimizer, step
from matekd_bench.distill.training.trainer import Progress
from matekd_bench.methods.context import Tokens
from matekd_bench.methods.views import Batch
from matekd_bench.seeds import seed_of


@dataclass(frozen=True)
class Generator:
    """A generator ready for use. Each run trains a copy of it, so that runs do not affect each other.

    `accuracy` is the masked-token accuracy on held-out text after the warm-up, None if there was no warm-up.
    """

    source: ModelSource
    tokens: Tokens
    network: MaskedRowsLM
    accuracy: float | None
    warm_up_flops: int = 0
    warm_up_seconds: float = 0.0
    use: CacheUse | None = None  # keeps its folder from being removed from the cache

    def copy(self) -> MaskedRowsLM:
        """Return a new copy, trainable and in train mode."""
        return copy.deepcopy(self.network).requires_grad_(True).train()


def warm_up(
    network: MaskedRowsLM,
    corpus: Corpus,
    settings: GeneratorSettings,
    tokens: Tokens,
    *,
    task: str,
    device: torch.device,
    precision: ResolvedPrecision,
    progress: Progress = lambda update, limit, loss: None,
    saver: PreparationCheckpoints | None = None,
) -> tuple[float, int, float]:
    """Train a whole generator in place on a task's training text; return held-out accuracy, FLOPs and seconds.

    `progress` gets the number of updates done, the number planned and the loss. Every masked position shows [MASK], as
    it does when methods use the generator. One row in twenty is held out, at most 256.
    """
    saver, meter = saver or PreparationCheckpoints("the generator"), Meter()
    meter.register("generator", network.flops)
    # Chosen by id, so that the order of the rows does not matter. A single row is both held out and trained on.
    held_out = sorted(range(len(corpus)), key=lambda row: corpus.uids[row])[
        : max(1, min(256, len(corpus) // 20))
    ]
    training_rows = sorted(set(range(len(corpus))) - set(held_out)) or held_out
    limit = settings.budget.resolve(task, len(training_rows), settings.optimizer.batch_size)
    network.to(device).train()
    optimizer = make_optimizer(network, settings.optimizer)
    first_update = 0
    if (state := saver.begin(network)) is not None:
        first_update = state["update"]
        optimizer.load_state_dict(state["optimizer"])
        meter.load_state_dict(state["meter"])
    with contained_randomness(device):
        updates = _updates(optimizer, corpus, training_rows, settings, task, limit)
        for update, batch in islice(updates, first_update, None):
            # Study seed 0: a generator is made once per task. One key per update makes a resumed warm-up the same.
            seed_draws(seed_of(0, task, "generator-dropout", update), device)
            batch, key = to_device(batch, device), f"{task}/{update}"
            loss, _ = _masked_loss(network, batch, settings.mask_rate, tokens, key, precision, meter)
            loss.backward()
            step(network, optimizer, settings.optimizer.clip, update=update, whose="the generator")
            progress(update + 1, limit, float(loss.detach()))
            if update + 1 < limit:  # after the last update the generator itself goes to the cache
                saver.after_update(
                    update + 1,
                    network,
                    lambda: {"optimizer": optimizer.state_dict(), "meter": meter.state_dict()},
                )
    accuracy = _held_out_accuracy(network, corpus, held_out, settings, tokens, precision)
    return accuracy, meter.flops, saver.seconds


def _updates(
    optimizer: torch.optim.Optimizer,
    corpus: Corpus,
    training_rows: list[int],
    settings: GeneratorSettings,
    task: str,
    limit: int,
) -> Iterator[tuple[int, Batch]]:
    """Yield the number and the batch, on the CPU, of each update; set the optimizer's learning rate before each."""
    size = settings.optimizer.batch_size
    assemble = Assembler(corpus, 0, task)
    order = DataOrder(
        [len(corpus.encoded[row].ids) for row in training_rows], size, 0, task, "generator-order"
    )
    for update, (epoch, rows) in zip(range(limit), order, strict=False):
        for group in optimizer.param_groups:
            # the rate in the middle of the update, so that neither the first nor the last rate is zero
            group["lr"] = settings.optimizer.lr * settings.optimizer.factor(
                (update + 0.5) / limit, ("student_updates", limit)
            )
        yield update, assemble(PlannedUpdate("student", update, epoch, [training_rows[row] for row in rows]))


@torch.no_grad()
def _held_out_accuracy(
    network: MaskedRowsLM,
    corpus: Corpus,
    rows: list[int],
    settings: GeneratorSettings,
    tokens: Tokens,
    precision: ResolvedPrecision,
) -> float:
    """Return the share of masked positions in the held-out rows whose token the generator ranks first."""
    network.eval()  # without dropout
    device = next(network.parameters()).device
    assemble, correct, count = Assembler(corpus, 0, "held-out"), 0.0, 0
    for start in range(0, len(rows), 32):
        batch = to_device(assemble(PlannedUpdate("student", start, 0, rows[start : start + 32])), device)
        _, (hits, total) = _masked_loss(
            network, batch, settings.mask_rate, tokens, "held-out", precision, None
        )
        correct, count = correct + hits, count + total
    return correct / max(1, count)


def _masked_loss(
    network: MaskedRowsLM,
    batch: Batch,
    rate: float,
    tokens: Tokens,
    key: str,
    precision: ResolvedPrecision,
    meter: Meter | None,
) -> tuple[Tensor, tuple[float, int]]:
    """Mask random positions; return the mean cross-entropy there, with the numbers of correct tokens and positions.

    The masks are seeded by `key` and the batch's first example. The pass is counted in `meter` if one is given.
    """
    # Drawn on the CPU: the same masks on every device.
    noise = torch.rand(
        batch.ids.shape, generator=torch.Generator().manual_seed(seed_of(0, key, *batch.uids[:1]))
    )
    # Special tokens and padding are never masked.
    at = (noise.to(batch.ids.device) < rate) & ~batch.special
    ids = batch.ids.masked_fill(at, tokens.mask or 0)
    if meter is not None:
        network.book(meter, "generator", ids, batch.mask, batch.types, at)
    with autocast(batch.ids.device, precision):
        logits = upcast(network(ids, batch.mask, batch.types, at))
    targets = batch.ids[at]
    # A mean would be NaN where no position is masked.
    loss = F.cross_entropy(logits, targets, reduction="sum") / max(1, len(targets))
    return loss, (float((logits.argmax(-1) == targets).sum()), len(targets))
