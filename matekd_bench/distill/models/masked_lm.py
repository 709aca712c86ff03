"""Load and save masked language models whose vocabulary head runs only at masked positions."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from matekd_bench.distill.flops import FlopModel, Kind, Meter, PassCost
from matekd_bench.distill.models.model_inputs import text_inputs
from matekd_bench.distill.models.networks import ModelSource, load_model, quiet_transformers
from matekd_bench.distill.models.positions import positions
from matekd_bench.errors import CheckpointError


class MaskedRowsLM(nn.Module):
    """A masked language model that runs its vocabulary head only at given positions.

    A hook on the base model selects the hidden states of these N positions. The head (transform, tied vocabulary
    matrix, bias) then costs N rows instead of B * L. The logits equal those of the full model.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self._at: Tensor | None = None  # [B, L], set only during a forward pass
        model.base_model.register_forward_hook(self._select_positions)

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor | None, at: Tensor) -> Tensor:
        """Compute vocabulary logits [N, V] at the N true positions of `at` [B, L], row by row."""
        inputs = {"input_ids": ids, **text_inputs(self.model, mask, types)}
        self._at = at
        try:
            logits: Tensor = self.model(**inputs).logits
        finally:
            self._at = None
        return logits[0]

    def _select_positions(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        """Replace the hidden states [B, L, d] by those of the wanted positions, [1, N, d]."""
        if self._at is None:  # the model is called directly, not through forward()
            return output
        output.last_hidden_state = output.last_hidden_state[positions(self._at).index].unsqueeze(0)
        return output

    def book(
        self, meter: Meter, name: str, ids: Tensor, mask: Tensor, types: Tensor | None, at: Tensor
    ) -> None:
        """Count one pass in `meter`: the base model over all tokens, the head over the positions in `at`."""
        kind: Kind = "train" if torch.is_grad_enabled() else "forward"
        factor = 3 if kind == "train" else 1  # backward multiplies by each matrix twice, forward once
        rows, length = ids.shape
        meter.book(name, kind, rows, length, extra_flops=factor * len(positions(at)) * self.head_flops)

    def flops(self, kind: Kind) -> PassCost:
        """Return the FLOPs of a pass through the base model; :meth:`book` adds those of the head."""
        return FlopModel(self.model.base_model)(kind)

    @cached_property
    def head_flops(self) -> int:
        """FLOPs of the head for one token.

        Counts every matrix outside the base model and the vocabulary matrix, which may be tied to the embeddings.
        """
        inside = {id(parameter) for parameter in self.model.base_model.parameters()}
        vocabulary = self.model.get_output_embeddings().weight
        sizes = [
            parameter.numel()
            for parameter in self.model.parameters()
            if parameter.ndim == 2 and id(parameter) not in inside and parameter is not vocabulary
        ]
        return 2 * int(sum(sizes) + vocabulary.numel())  # a multiplication and an addition per weight


def load_masked_lm(source: ModelSource, seed: int) -> tuple[MaskedRowsLM, bool]:
    """Load a masked language model; also return True if the checkpoint contained its vocabulary head.

    A missing head is drawn under `seed`. Raises CheckpointError if the model has no such head.
    """
    model, missing = load_model("AutoModelForMaskedLM", source, seed)
    output = model.get_output_embeddings()
    if output is None:
        raise CheckpointError(f"'{source.checkpoint.id}' has no masked-language-model head to generate with.")
    with torch.no_grad():  # transformers leaves the bias of some heads (Longformer's) uninitialized
        for name, value in model.named_parameters():
            if name in missing and value.ndim == 1 and name.endswith("bias"):
                value.zero_()
    # A tied vocabulary matrix and a pooler, which the head does not use, may be missing from the checkpoint.
    tied = {name for name, value in model.named_parameters(remove_duplicate=False) if value is output.weight}
    return MaskedRowsLM(model), not (missing - tied - _pooler_names(missing))


def _pooler_names(names: frozenset[str]) -> set[str]:
    return {name for name in names if ".pooler." in name or name.startswith("pooler.")}


def save_masked_lm(network: MaskedRowsLM, folder: Any) -> None:
    """Write the model's weights (safetensors) and config into `folder`."""
    with quiet_transformers():
        network.model.save_pretrained(folder)
