"""Tools shared by the methods that perturb word embeddings: noise, norms, gradients and distances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from matekd_bench import Batch, Context, Models, View

if TYPE_CHECKING:
    from torch import Tensor

Norm = Literal["l2", "linf"]
# Half the spacing of uniform float32 draws. Draws are raised to it, since normal quantile and logarithm of 0 are
# infinite.
SMALLEST_DRAW = 2.0**-25
NORM_FLOOR = 1e-30  # smallest divisor of a normalization: keeps a gradient of zero at zero


def zero_at_padding(mask: Tensor, shift: Tensor) -> Tensor:
    """Set `shift` [B, L, width] to zero where `mask` [B, L] is 0.

    Special tokens count as real tokens, as in the papers.
    """
    return shift * mask.unsqueeze(-1).to(shift.dtype)


def uniform(context: Context, batch: Batch, purpose: str) -> Tensor:
    """Draw noise U(-1, 1) [B, L, width] per example, zero at padding, in the dtype of the student's embeddings."""
    table = context.word_embeddings
    drawn = context.draw(batch, purpose, width=table.width).to(table.dtype)
    return zero_at_padding(batch.mask, 2 * drawn - 1)


def gaussian(context: Context, batch: Batch, purpose: str) -> Tensor:
    """Draw noise N(0, 1) [B, L, width] per example, zero at padding, in the dtype of the student's embeddings.

    The noise is the normal quantiles of the uniform draws of :meth:`Context.draw`.
    """
    table = context.word_embeddings
    drawn = context.draw(batch, purpose, width=table.width).clamp(min=SMALLEST_DRAW)
    return zero_at_padding(batch.mask, (2 * drawn - 1).erfinv().to(table.dtype) * 2**0.5)


def norms(shift: Tensor, order: Norm) -> Tensor:
    """Compute each example's norm [B, 1, 1] of `shift` [B, L, width], over all its tokens together."""
    largest = shift.abs().amax(dim=(1, 2), keepdim=True)
    if order == "linf":
        return largest
    # Scaled by the largest coordinate first: the squares of a confident student's gradients would underflow.
    scaled = shift / largest.clamp(min=NORM_FLOOR)
    return largest * scaled.square().sum(dim=(1, 2), keepdim=True).sqrt()


def direction(grad: Tensor, order: Norm, floor: float = NORM_FLOOR) -> Tensor:
    """Scale `grad` [B, L, width] to norm 1 per example; a norm below `floor` is replaced by `floor`."""
    return grad / norms(grad, order).clamp(min=floor)


def shift_gradient(models: Models, view: View, shift: Tensor, distance: Callable[[Tensor], Tensor]) -> Tensor:
    """Compute the gradient [B, L, width] in `shift` of each example's own `distance`.

    `distance` maps the student's logits [B, C] to one value per example [B]. The student's weights get no gradient.
    The pass uses the dropout masks and the precision of `view`.
    """
    import torch

    shift = shift.detach().requires_grad_()
    with models.frozen_student():
        logits = models.student_logits(replace(view, shift=shift))
        # Examples do not interact, so the gradient of the sum holds each example's own gradient.
        (grad,) = torch.autograd.grad(distance(logits).sum(), shift)
    return zero_at_padding(view.mask, grad)


def unlabeled(view: View, shift: Tensor) -> View:
    """Shift `view` and drop its labels and teacher: it then enters the loss only through a `Joint`'s term."""
    return replace(view, shift=shift, gold=0.0, soft=0.0, labels=None, teacher=None)


def answer_distance(context: Context) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the task's distance [B] between two student outputs [B, C]: symmetric, with a gradient in both.

    Classification: :func:`symmetric_divergence`. Regression: the squared difference.
    """
    if context.task.kind == "regression":
        return lambda first, second: (first - second).square().mean(dim=-1)
    return symmetric_divergence


def symmetric_divergence(first: Tensor, second: Tensor) -> Tensor:
    """Compute KL(p || q) + KL(q || p) per example [B] from two sets of logits [B, C] with softmaxes p and q."""
    log_p, log_q = first.log_softmax(dim=-1), second.log_softmax(dim=-1)
    # sum (p - q)(log p - log q): no summand is negative, so nearly equal outputs lose nothing to cancellation.
    return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(dim=-1)
