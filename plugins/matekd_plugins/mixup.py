"""`mixup`: the student learns the teacher's answers on interpolations of two examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import Field

from matekd_bench import Batch, Models, Params, Perturbation, Range, View, Views, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


class MixupParams(Params):
    """Parameters of `mixup`."""

    alpha: float = Field(default=0.4, gt=0, le=100)
    """Both parameters of the Beta distribution from which each example's share is drawn; small values mix little."""


class Mixup(Perturbation[MixupParams]):
    """MixKD: ``(CE(x) + D(x) + D(x')) / 3``, x' = ``share * E(x) + (1 - share) * E(z)`` (Liang et al. 2021).

    E are the word embeddings before position, type and layer norm, first the student's, then the teacher's. z is
    another example of the batch. The share is drawn from Beta(alpha, alpha) for each example.
    """

    name = "mixup"
    summary = "Word embeddings of two examples interpolated; the teacher answers the mixture."
    level = "embedding"
    version = "1"
    needs = frozenset({"one-vocabulary"})
    search = {"alpha": Range(0.1, 2.0, log=True)}
    citation = (
        "Liang et al. 2021, MixKD: Towards Efficient Distillation of Large-scale Language Models, ICLR, "
        "arXiv 2011.00593"
    )

    def views(self, batch: Batch, models: Models) -> Views:
        """Yield the clean view, then the mixed view, which only the teacher labels."""
        yield batch.clean.weighted(gold=1.0, soft=0.5)
        yield self._mixed_view(batch)

    def _mixed_view(self, batch: Batch) -> View:
        """Mix each example of this piece with its partner, which may be in another piece of the update."""
        whole, rows = batch.whole, slice(batch.offset, batch.offset + len(batch))
        partner = self._partners(whole)[rows]
        share = self._shares(whole)[rows]
        self.context.report("share_of_partner", (1 - share).sum(), len(batch))
        ids, mask = whole.ids[partner], whole.mask[partner]
        # Where only the partner has a token, its type counts: there is no type between two types.
        types = None if batch.types is None or whole.types is None else whole.types[partner]
        if types is not None and batch.types is not None:
            types = batch.types.where(batch.mask.bool(), types)
        return replace(
            batch.clean, mask=batch.mask | mask, types=types, embed=interpolated(batch.ids, ids, share),
            teacher="same", labels=None, gold=0.0, soft=0.5, dropout=1,
        )  # fmt: skip

    def _partners(self, whole: Batch) -> Tensor:
        """Return each example's partner [B]: the next one in a random order, so no example is its own partner."""
        order = self.context.draw(whole, "mixup-partner")[:, 0].argsort(stable=True)
        partner = order.new_empty(len(order))
        partner[order] = order.roll(-1)
        return partner

    def _shares(self, whole: Batch) -> Tensor:
        """Draw each example's own share [B, 1, 1], by inverse CDF of Beta(alpha, alpha), in the embeddings' dtype."""
        import torch
        from scipy.special import betaincinv

        uniform = self.context.draw(whole, "mixup-share")[:, 0].cpu().double()
        shares = torch.from_numpy(betaincinv(self.params.alpha, self.params.alpha, uniform.numpy()))
        return shares.to(self.context.word_embeddings.dtype).to(self.context.device).view(-1, 1, 1)


def interpolated(first: Tensor, second: Tensor, share: Tensor) -> Callable[[Any], Tensor]:
    """Return a function from an embedding table to ``share * E(first) + (1 - share) * E(second)`` [B, L, width]."""

    def embed(table: Any) -> Tensor:
        # Where one of the two has padding the other is mixed with the embedding of [PAD].
        mixed: Tensor = share * table(first) + (1 - share) * table(second)
        return mixed

    return embed


@hookimpl
def matekd_bench_methods() -> Iterator[type[Mixup]]:
    """Announce the method."""
    yield Mixup
