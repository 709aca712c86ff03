"""Masked language models whose vocabulary head runs only at masked positions."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from matekd_bench.distill.cost import FlopModel, Kind, Meter, Polynomial
from matekd_bench.distill.models.networks import ModelSource, load, quiet_transformers, text_inputs
from matekd_bench.errors import CheckpointError


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


def load_masked_lm(source: ModelSource, seed: int) -> tuple[MaskedRowsLM, bool]:
    """The masked language model of a source, and whether its head came trained with the checkpoint."""
    model, missing = load("AutoModelForMaskedLM", source, seed)
    output = model.get_output_embeddings()
    if output is None:
        raise CheckpointError(f"'{source.checkpoint.id}' has no masked-language-model head to generate with.")
    tied = {name for name, value in model.named_parameters(remove_duplicate=False) if value is output.weight}
    return MaskedRowsLM(model), not (missing - tied - _pooler(missing))


def _pooler(names: frozenset[str]) -> set[str]:
    return {name for name in names if ".pooler." in name or name.startswith("pooler.")}


def save_masked_lm(network: MaskedRowsLM, folder: Any) -> None:
    """Writes the model as safetensors."""
    with quiet_transformers():
        network.model.save_pretrained(folder)
