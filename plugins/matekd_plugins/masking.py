"""MATE-KD's mask distribution, shared by `matekd` and its ablations so that only the adversary differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from matekd_bench import Batch, Context, Params, Range

if TYPE_CHECKING:
    from torch import Tensor


class MaskParams(Params):
    """Parameters of every method that masks tokens as MATE-KD does."""

    mask_rate: float = Field(default=0.3, gt=0, lt=1)
    """Probability with which each token that is neither special nor padding is masked."""


MASK_SEARCH = {"mask_rate": Range(0.1, 0.5)}


def choose_masked(context: Context, batch: Batch, rate: float) -> Tensor:
    """Draw the masked positions [B, L]: each non-special token independently with probability `rate`.

    Masks are redrawn at every update from the example's own seed (Rashid et al. 2021, section 3.1).
    """
    return (context.draw(batch, "mask") < rate) & ~batch.special


def mask_id(context: Context) -> int:
    """Return the id of the mask token; ValueError if the student's tokenizer has none."""
    mask = context.student_tokens.mask
    if mask is None:
        raise ValueError("the student's tokenizer has no mask token")
    return mask


def report_changed(context: Context, batch: Batch, ids: Tensor) -> None:
    """Report the share of non-special tokens that changed and the share of unchanged texts."""
    changed = (ids != batch.ids) & ~batch.special
    context.report("tokens_changed", changed.sum(), (~batch.special).sum())
    context.report("texts_unchanged", (~changed.any(dim=1)).sum(), len(batch))
