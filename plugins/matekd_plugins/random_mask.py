"""`random-mask`: MATE-KD's masks with [MASK] left in, an ablation with the same noise but no adversary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from matekd_bench import Batch, TokenPerturbation, hookimpl
from matekd_plugins.masking import MASK_SEARCH, MaskParams, choose_masked, mask_id, report_changed

if TYPE_CHECKING:
    from torch import Tensor


class RandomMask(TokenPerturbation[MaskParams]):
    """Ablation of MATE-KD that replaces each non-special token by [MASK] with probability `mask_rate`."""

    name = "random-mask"
    summary = "Ablation of MATE-KD: 30 % of the tokens replaced by [MASK]; the teacher relabels the text."
    level = "token"
    version = "1"
    role = "ablation"
    needs = frozenset({"one-vocabulary", "mask-token"})
    search = MASK_SEARCH

    def perturb(self, batch: Batch, maskable: Tensor) -> Tensor:
        """Return the ids [B, L] with the drawn positions masked."""
        at = choose_masked(self.context, batch, self.params.mask_rate) & maskable
        # No 80/10/10 rule as in BERT's pretraining: a masked position always shows [MASK], as in MATE-KD.
        ids = batch.ids.masked_fill(at, mask_id(self.context))
        report_changed(self.context, batch, ids)
        return ids


@hookimpl
def matekd_bench_methods() -> Iterator[type[RandomMask]]:
    """Announce the method."""
    yield RandomMask
