"""What methods that perturb word embeddings share: noise at real tokens, norms by example, slopes, distances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from matekd_bench import Batch, Context, Models, View

if TYPE_CHECKING:
    from torch import Tensor

Norm = Literal["l2", "linf"]
TINY = 2.0**-25  # half the spacing of uniform float32 draws: keeps a Gaussian made of them finite
FLOOR = 1e-30  # what a norm is divided by at least


def at_tokens(mask: Tensor, shift: Tensor) -> Tensor:
    """`shift` [B, L, width] with zeros where `mask` [B, L] is 0; special tokens count as real, as in the papers."""
    return shift * mask.unsqueeze(-1).to(shift.dtype)


def uniform(context: Context, batch: Batch, purpose: str) -> Tensor:
    """Noise U(-1, 1) [B, L, width] at real tokens, drawn per example, in the dtype of the student's embeddings."""
    table = context.word_embeddings
    drawn = context.draw(batch, purpose, width=table.width).to(table.dtype)
    return at_tokens(batch.mask, 2 * drawn - 1)


def gaussian(context: Context, batch: Batch, purpose: str) -> Tensor:
    """Noise N(0, 1) [B, L, width] at real tokens: the normal quantiles of :meth:`Context.draw`'s uniform draws."""
    table = context.word_embeddings
    drawn = context.draw(batch, purpose, width=table.width).clamp(min=TINY)
    return at_tokens(batch.mask, (2 * drawn - 1).erfinv().to(table.dtype) * 2**0.5)


def norms(shift: Tensor, order: Norm) -> Tensor:
    """The norm of each example's whole shift, all its tokens taken together: [B, 1, 1]."""
    largest = shift.abs().amax(dim=(1, 2), keepdim=True)
    if order == "linf":
        return largest
    scaled = shift / largest.clamp(
        min=FLOOR
    )  # so that the squares of a confident answer's slopes do not vanish
    return largest * scaled.square().sum(dim=(1, 2), keepdim=True).sqrt()


def direction(grad: Tensor, order: Norm, floor: float = FLOOR) -> Tensor:
    """`grad` [B, L, width] with every example's norm brought to 1; shorter ones than `floor` are divided by it."""
    return grad / norms(grad, order).clamp(min=floor)


def slope(models: Models, view: View, shift: Tensor, distance: Callable[[Tensor], Tensor]) -> Tensor:
    """The gradient [B, L, width] in `shift` of each example's own `distance`, a function of logits [B, C] to [B].

    The student's weights are constants; the view's dropout masks and precision are those of the pass to come.
    """
    import torch

    shift = shift.detach().requires_grad_()
    with models.frozen_student():
        logits = models.student_logits(replace(view, shift=shift))
        (grad,) = torch.autograd.grad(distance(logits).sum(), shift)
    return at_tokens(view.mask, grad)


def unlabeled(view: View, shift: Tensor) -> View:
    """`view` shifted, with neither labels nor teacher: it enters the loss through a common term alone."""
    return replace(view, shift=shift, gold=0.0, soft=0.0, labels=None, teacher=None)


def answers_apart(context: Context) -> Callable[[Tensor, Tensor], Tensor]:
    """How far two answers of the student lie apart, per example [B]; symmetric, with a gradient in both.

    Classification: KL(p || q) + KL(q || p), written ``sum (p - q)(log p - log q)``: every summand is at least zero, so
    that answers which differ in their last digits alone do not cancel. Regression: the squared difference.
    """
    if context.task.kind == "regression":
        return lambda first, second: (first - second).square().mean(dim=-1)
    return symmetric_divergence


def symmetric_divergence(first: Tensor, second: Tensor) -> Tensor:
    """KL(p || q) + KL(q || p) per example [B] of the softmaxes p and q of two sets of logits [B, C]."""
    one, other = first.log_softmax(dim=-1), second.log_softmax(dim=-1)
    return ((one.exp() - other.exp()) * (one - other)).sum(dim=-1)
