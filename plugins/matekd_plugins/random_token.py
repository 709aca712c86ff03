"""`random-token`: MATE-KD's masks filled with uniformly drawn tokens, an ablation without a language model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from matekd_bench import Batch, Context, TokenPerturbation, hookimpl
from matekd_plugins.masking import MASK_SEARCH, MaskParams, choose_masked, report_changed

if TYPE_CHECKING:
    from torch import Tensor


class RandomToken(TokenPerturbation[MaskParams]):
    """Ablation of MATE-KD that replaces each non-special token, with probability `mask_rate`, by a random token."""

    name = "random-token"
    summary = (
        "Ablation of MATE-KD: 30 % of the tokens replaced by random ones; the teacher relabels the text."
    )
    level = "token"
    version = "1"
    role = "ablation"
    needs = frozenset({"one-vocabulary"})
    search = MASK_SEARCH

    def __init__(self, params: MaskParams, context: Context) -> None:
        super().__init__(params, context)
        import torch

        tokens = context.student_tokens
        # All of the vocabulary except special tokens, including entries such as [unused1] that hardly occur in text.
        ordinary = [token for token in range(tokens.size) if token not in tokens.special]
        self._ordinary = torch.tensor(ordinary, device=context.device)

    def perturb(self, batch: Batch, maskable: Tensor) -> Tensor:
        """Return the ids [B, L] with random tokens at the drawn positions; a draw may give the original token."""
        at = choose_masked(self.context, batch, self.params.mask_rate) & maskable
        uniform = self.context.draw(batch, "random-token", at=at)
        count = len(self._ordinary)
        drawn = (uniform * count).long().clamp_(max=count - 1)  # a float32 product may round up to the count
        # Not ids[at] = ..., for which the CPU would wait for a GPU.
        ids = batch.ids.masked_scatter(at, self._ordinary[drawn])
        report_changed(self.context, batch, ids)
        return ids


@hookimpl
def matekd_bench_methods() -> Iterator[type[RandomToken]]:
    """Announce the method."""
    yield RandomToken
