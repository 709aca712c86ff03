"""`random-token`: MATE-KD's masks filled with tokens drawn uniformly, an ablation that has no language model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from matekd_bench import Batch, Context, TokenPerturbation, hookimpl
from matekd_plugins.masking import MASK_SEARCH, MaskParams, choose_masked, report_changed

if TYPE_CHECKING:
    from torch import Tensor


class RandomToken(TokenPerturbation[MaskParams]):
    """Replaces each maskable token, with probability `mask_rate`, by one drawn uniformly from the vocabulary."""

    name = "random-token"
    summary = "Ablation of MATE-KD: 30 % of the tokens replaced by random ones, relabeled by the teacher."
    level = "token"
    version = "1"
    role = "ablation"
    needs = frozenset({"one-vocabulary"})
    search = MASK_SEARCH

    def __init__(self, params: MaskParams, context: Context) -> None:
        super().__init__(params, context)
        import torch

        tokens = context.student_tokens
        ordinary = [token for token in range(tokens.size) if token not in tokens.special]
        self._ordinary = torch.tensor(ordinary, device=context.device)

    def perturb(self, batch: Batch, maskable: Tensor) -> Tensor:
        """The ids [B, L] with ordinary tokens at the chosen positions; one may be drawn that was there."""
        at = choose_masked(self.context, batch, self.params.mask_rate) & maskable
        uniform = self.context.draw(batch, "random-token", at=at)
        count = len(self._ordinary)
        drawn = (uniform * count).long().clamp_(max=count - 1)  # a float32 product may round up to the count
        ids = batch.ids.clone()
        ids[at] = self._ordinary[drawn]
        report_changed(self.context, batch, ids)
        return ids


@hookimpl
def matekd_bench_methods() -> Iterator[type[RandomToken]]:
    """Announce the method."""
    yield RandomToken
