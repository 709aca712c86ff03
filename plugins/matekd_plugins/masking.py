"""The mask distribution of MATE-KD, shared by it and the ablations that differ from it in the adversary alone."""

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
    """Which positions [B, L] are masked: each non-special token independently with probability `rate`.

    Drawn anew at every update from the example's own generator (Rashid et al. 2021, section 3.1).
    """
    return (context.draw(batch, "mask") < rate) & ~batch.special


def mask_id(context: Context) -> int:
    """The id of the mask token; a student whose tokenizer has none is an error."""
    mask = context.student_tokens.mask
    if mask is None:
        raise ValueError("the student's tokenizer has no mask token")
    return mask


def report_changed(context: Context, batch: Batch, ids: Tensor) -> None:
    """Books the share of perturbable tokens that changed and of texts left as they were."""
    changed = (ids != batch.ids) & ~batch.special
    context.report("tokens_changed", changed.sum(), (~batch.special).sum())
    context.report("texts_unchanged", (~changed.any(dim=1)).sum(), len(batch))
