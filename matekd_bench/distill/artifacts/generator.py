"""The generator of MATE-KD and its relatives, and the warm-up of one whose vocabulary head came untrained."""

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
from matekd_bench.distill.cost import Meter
from matekd_bench.distill.data.batches import Assembler, to_device
from matekd_bench.distill.data.corpus import Corpus
from matekd_bench.distill.data.order import DataOrder, PlannedUpdate
from matekd_bench.distill.device import ResolvedPrecision, contained_randomness, seed_draws
from matekd_bench.distill.models.masked_lm import MaskedRowsLM
from matekd_bench.distill.models.networks import ModelSource
from matekd_bench.distill.settings import GeneratorSettings
from matekd_bench.distill.training.forward_passes import autocast
from matekd_bench.distill.training.loss import wide
from matekd_bench.distill.training.optimizer import make_optimizer, step
from matekd_bench.distill.training.trainer import Progress
from matekd_bench.methods.context import Tokens
from matekd_bench.methods.views import Batch
from matekd_bench.seeds import seed_of


@dataclass(frozen=True)
class Generator:
    """A generator ready for use: copies are handed out, so that no run changes another's."""

    source: ModelSource
    tokens: Tokens
    network: MaskedRowsLM
    accuracy: float | None
    warm_up_flops: int = 0
    warm_up_seconds: float = 0.0
    use: CacheUse | None = None  # keeps its folder in the cache

    def copy(self) -> MaskedRowsLM:
        """A copy of its own, trainable, in train mode."""
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
    progress: Progress = lambda done, limit, loss: None,
    keeping: PreparationCheckpoints | None = None,
) -> tuple[float, int, float]:
    """Trains the head (and the rest) on a task's training text; returns held-out accuracy, FLOPs and seconds.

    `progress` is told the updates done, their number and the loss. Every masked position shows [MASK], as it will in
    use. One row in twenty, by order of its id, is held out.
    """
    keeping, meter = keeping or PreparationCheckpoints("the generator"), Meter()
    meter.register("generator", network.flops)
    held = sorted(range(len(corpus)), key=lambda row: corpus.uids[row])[: max(1, min(256, len(corpus) // 20))]
    kept = sorted(set(range(len(corpus))) - set(held)) or held
    limit = settings.budget.resolve(task, len(kept), settings.optimizer.batch_size)
    network.to(device).train()
    optimizer = make_optimizer(network, settings.optimizer)
    done = 0
    if (state := keeping.begin(network)) is not None:
        done = state["update"]
        optimizer.load_state_dict(state["optimizer"])
        meter.load_state_dict(state["meter"])
    with contained_randomness(device):
        for update, batch in islice(_updates(optimizer, corpus, kept, settings, task, limit), done, None):
            seed_draws(seed_of(0, task, "generator-dropout", update), device)
            batch, key = to_device(batch, device), f"{task}/{update}"
            loss, _ = _masked_loss(network, batch, settings.mask_rate, tokens, key, precision, meter)
            loss.backward()
            step(network, optimizer, settings.optimizer.clip, update=update, whose="the generator")
            progress(update + 1, limit, float(loss.detach()))
            if update + 1 < limit:
                keeping.after(
                    update + 1,
                    network,
                    lambda: {"optimizer": optimizer.state_dict(), "meter": meter.state_dict()},
                )
    accuracy = _held_out(network, corpus, held, settings, tokens, precision)
    return accuracy, meter.flops, keeping.seconds


def _updates(
    optimizer: torch.optim.Optimizer,
    corpus: Corpus,
    kept: list[int],
    settings: GeneratorSettings,
    task: str,
    limit: int,
) -> Iterator[tuple[int, Batch]]:
    """The warm-up's updates: number and batch on the CPU; the optimizer's rate is set for each."""
    size = settings.optimizer.batch_size
    assemble = Assembler(corpus, 0, task)
    order = DataOrder([len(corpus.encoded[row].ids) for row in kept], size, 0, task, "generator-order")
    for update, (epoch, rows) in zip(range(limit), order, strict=False):
        for group in optimizer.param_groups:
            group["lr"] = settings.optimizer.lr * settings.optimizer.factor(
                (update + 0.5) / limit, ("student_updates", limit)
            )
        yield update, assemble(PlannedUpdate("student", update, epoch, [kept[row] for row in rows]))


@torch.no_grad()
def _held_out(
    network: MaskedRowsLM,
    corpus: Corpus,
    rows: list[int],
    settings: GeneratorSettings,
    tokens: Tokens,
    precision: ResolvedPrecision,
) -> float:
    network.eval()
    device = next(network.parameters()).device
    assemble, right, count = Assembler(corpus, 0, "held-out"), 0.0, 0
    for start in range(0, len(rows), 32):
        batch = to_device(assemble(PlannedUpdate("student", start, 0, rows[start : start + 32])), device)
        _, (hits, total) = _masked_loss(
            network, batch, settings.mask_rate, tokens, "held-out", precision, None
        )
        right, count = right + hits, count + total
    return right / max(1, count)


def _masked_loss(
    network: MaskedRowsLM,
    batch: Batch,
    rate: float,
    tokens: Tokens,
    key: str,
    precision: ResolvedPrecision,
    meter: Meter | None,
) -> tuple[Tensor, tuple[float, int]]:
    """Cross-entropy at randomly masked positions, with the number of hits and of positions."""
    noise = torch.rand(
        batch.ids.shape, generator=torch.Generator().manual_seed(seed_of(0, key, *batch.uids[:1]))
    )
    at = (noise.to(batch.ids.device) < rate) & ~batch.special
    ids = batch.ids.masked_fill(at, tokens.mask or 0)
    if meter is not None:
        network.book(meter, "generator", ids, batch.mask, batch.types, at)
    with autocast(batch.ids.device, precision):
        logits = wide(network(ids, batch.mask, batch.types, at))
    wanted = batch.ids[at]
    loss = F.cross_entropy(logits, wanted, reduction="sum") / max(1, len(wanted))
    return loss, (float((logits.argmax(-1) == wanted).sum()), len(wanted))
