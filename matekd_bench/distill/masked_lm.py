"""The generator: a masked language model whose vocabulary head runs only at masked positions, and its warm-up."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from matekd_bench.distill.batches import Assembler, Corpus, Order, Planned, to_device
from matekd_bench.distill.device import ResolvedPrecision, contained_randomness, seed_draws
from matekd_bench.distill.keeper import Keeper
from matekd_bench.distill.meter import FlopModel, Kind, Meter, Polynomial
from matekd_bench.distill.models import autocast
from matekd_bench.distill.networks import Source, load, quiet_transformers, text_inputs
from matekd_bench.distill.objective import wide
from matekd_bench.distill.optimizer import make_optimizer, step
from matekd_bench.distill.settings import GeneratorSettings
from matekd_bench.distill.trainer import Progress
from matekd_bench.distill.upkeep import Use
from matekd_bench.errors import CheckpointError
from matekd_bench.methods.interfaces import Tokens
from matekd_bench.methods.views import Batch
from matekd_bench.seeds import seed_of


class MaskedRowsLM(nn.Module):
    """A masked language model that evaluates its head only where it is asked to.

    A hook on the base model keeps the hidden states of the wanted rows, so the head (transform, tied vocabulary
    matrix, bias) costs N rows instead of B * L. The logits are those of the full model.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self._at: Tensor | None = None
        model.base_model.register_forward_hook(self._keep)

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor | None, at: Tensor) -> Tensor:
        """Vocabulary logits [N, V] at the N true positions of `at` [B, L], row by row."""
        inputs = {"input_ids": ids, **text_inputs(self.model, mask, types)}
        self._at = at
        try:
            logits: Tensor = self.model(**inputs).logits
        finally:
            self._at = None
        return logits[0]

    def _keep(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        if self._at is None:
            return output
        output.last_hidden_state = output.last_hidden_state[self._at].unsqueeze(0)
        return output

    def book(
        self, meter: Meter, name: str, ids: Tensor, mask: Tensor, types: Tensor | None, at: Tensor
    ) -> None:
        """Books one pass: the base over all tokens, the head over the wanted ones."""
        kind: Kind = "train" if torch.is_grad_enabled() else "forward"
        meter.book(name, kind, *ids.shape)
        factor = 3 if kind == "train" else 1
        meter.extra_flops += factor * int(at.sum()) * self.head_flops

    def flops(self, kind: Kind) -> Polynomial:
        """FLOPs of a pass through the base model."""
        return FlopModel(self.model.base_model)(kind)

    @cached_property
    def head_flops(self) -> int:
        """FLOPs of the head for one token: every matrix outside the base model, and the tied vocabulary matrix."""
        inside = {id(parameter) for parameter in self.model.base_model.parameters()}
        tied = self.model.get_output_embeddings().weight
        sizes = [
            p.numel()
            for p in self.model.parameters()
            if p.ndim == 2 and id(p) not in inside and p is not tied
        ]
        return 2 * int(sum(sizes) + tied.numel())


@dataclass(frozen=True)
class Generator:
    """A generator ready for use: copies are handed out, so that no run changes another's."""

    source: Source
    tokens: Tokens
    network: MaskedRowsLM
    accuracy: float | None
    warm_up_flops: int = 0
    warm_up_seconds: float = 0.0
    use: Use | None = None  # keeps its folder in the cache

    def copy(self) -> MaskedRowsLM:
        """A copy of its own, trainable, in train mode."""
        return copy.deepcopy(self.network).requires_grad_(True).train()


def load_masked_lm(source: Source, seed: int) -> tuple[MaskedRowsLM, bool]:
    """The masked language model of a source, and whether its head came trained with the checkpoint."""
    model, missing = load("AutoModelForMaskedLM", source, seed)
    output = model.get_output_embeddings()
    if output is None:
        raise CheckpointError(f"'{source.checkpoint.id}' has no masked-language-model head to generate with.")
    tied = {name for name, value in model.named_parameters(remove_duplicate=False) if value is output.weight}
    return MaskedRowsLM(model), not (missing - tied - _pooler(missing))


def _pooler(names: frozenset[str]) -> set[str]:
    return {name for name in names if ".pooler." in name or name.startswith("pooler.")}


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
    keeping: Keeper | None = None,
) -> tuple[float, int, float]:
    """Trains the head (and the rest) on a task's training text; returns held-out accuracy, FLOPs and seconds.

    `progress` is told the updates done, their number and the loss. Every masked position shows [MASK], as it will in
    use. One row in twenty, by order of its id, is held out.
    """
    keeping, meter = keeping or Keeper("the generator"), Meter()
    meter.register("generator", network.flops)
    held = sorted(range(len(corpus)), key=lambda row: corpus.uids[row])[: max(1, min(256, len(corpus) // 20))]
    kept = sorted(set(range(len(corpus))) - set(held)) or held
    limit = settings.budget.resolve(task, len(kept), settings.optimiser.batch_size)
    network.to(device).train()
    optimizer = make_optimizer(network, settings.optimiser)
    done = 0
    if (state := keeping.begin(network)) is not None:
        done = state["update"]
        optimizer.load_state_dict(state["optimizer"])
        meter.restore(state["meter"])
    with contained_randomness(device):
        for update, batch in islice(_updates(optimizer, corpus, kept, settings, task, limit), done, None):
            seed_draws(seed_of(0, task, "generator-dropout", update), device)
            batch, key = to_device(batch, device), f"{task}/{update}"
            loss, _ = _masked_loss(network, batch, settings.mask_rate, tokens, key, precision, meter)
            loss.backward()
            step(network, optimizer, settings.optimiser.clip, update=update, whose="the generator")
            progress(update + 1, limit, float(loss.detach()))
            if update + 1 < limit:
                keeping.after(
                    update + 1,
                    network,
                    lambda: {"optimizer": optimizer.state_dict(), "meter": meter.state()},
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
    optimiser = settings.optimiser
    size = optimiser.batch_size
    assemble = Assembler(corpus, 0, task)
    order = Order([len(corpus.encoded[row].ids) for row in kept], size, 0, task, "generator-order")
    for update, (epoch, rows) in zip(range(limit), order, strict=False):
        for group in optimizer.param_groups:
            group["lr"] = optimiser.lr * optimiser.factor((update + 0.5) / limit, ("student_updates", limit))
        yield update, assemble(Planned("student", update, epoch, [kept[row] for row in rows]))


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
        batch = to_device(assemble(Planned("student", start, 0, rows[start : start + 32])), device)
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


def save_masked_lm(network: MaskedRowsLM, folder: Any) -> None:
    """Writes the model as safetensors."""
    with quiet_transformers():
        network.model.save_pretrained(folder)
