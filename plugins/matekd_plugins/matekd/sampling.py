"""Draws of tokens from a softmax: by inverse CDF without a gradient, by Gumbel-softmax with one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from matekd_plugins.embeddings import SMALLEST_DRAW


def sample(logits: Tensor, uniform: Tensor) -> Tensor:
    """Draw one token id [N] per row of logits [N, V] from their softmax, by inverse CDF with `uniform` [N] in [0, 1).

    The distribution is that of the argmax of logits plus Gumbel noise, for one random number instead of V.
    Probabilities too small to change the cumulative sum in float32 are lost: below 1e-6 of the mass at V = 30,000.
    """
    # Less the maximum, so that exp() does not overflow.
    weights = (logits - logits.amax(dim=-1, keepdim=True)).exp_()
    ordered = weights.is_cuda and torch.are_deterministic_algorithms_enabled()
    cumulative = ordered_cumsum(weights) if ordered else weights.cumsum(dim=-1)
    target = uniform.to(cumulative.dtype).unsqueeze(-1) * cumulative[:, -1:]
    # right=True: a draw of exactly 0 must not give a first token of probability 0.
    ids = torch.searchsorted(cumulative, target, right=True).squeeze(-1)
    # Rounding can put the target at the last cumulative sum, whose insertion point is V.
    return ids.clamp_(max=logits.shape[-1] - 1)


def ordered_cumsum(values: Tensor) -> Tensor:
    """Compute the cumulative sums of the last dimension with additions in a fixed order (Hillis and Steele 1986).

    For CUDA, where ``cumsum`` of floats has no deterministic kernel and raises.
    """
    distance, length = 1, values.shape[-1]
    while distance < length:
        values = torch.cat([values[..., :distance], values[..., distance:] + values[..., :-distance]], dim=-1)
        distance *= 2
    return values


def gumbel_softmax(logits: Tensor, uniform: Tensor, temperature: float) -> Tensor:
    """Compute the relaxed sample ``softmax((logits + g) / temperature)`` [N, V] with Gumbel noise g.

    g is made of `uniform` [N, V] in [0, 1). The sample's argmax is an exact draw from the softmax of the logits (Jang
    et al. 2017, arXiv 1611.01144, equation 2). Logits must be float32 or wider: in half precision the smallest draw
    would vanish.
    """
    uniform = uniform.to(logits.dtype).clamp(min=SMALLEST_DRAW)
    noise = uniform.log_().neg_().log_().neg_()
    return torch.softmax((logits + noise) / temperature, dim=-1)


class StraightThroughLookup(torch.autograd.Function):
    """Straight-through embedding: forward looks up rows of W by id, backward is the gradient of ``soft @ W``.

    It equals ``(one_hot(ids) + soft - soft.detach()) @ W`` with W constant, but builds no one-hot [N, V]:
    ``d loss / d soft = g @ W^T``.
    """

    @classmethod
    def look_up(cls, soft: Tensor, ids: Tensor, weight: Tensor) -> Tensor:
        """Return the embeddings [N, width] of `ids` [N] in `weight` [V, width], which gets no gradient."""
        apply: Callable[[Tensor, Tensor, Tensor], Tensor] = cls.apply
        return apply(soft, ids, weight)

    @staticmethod
    def forward(ctx: Any, soft: Tensor, ids: Tensor, weight: Tensor) -> Tensor:
        """Return the embeddings [N, width] of `ids` [N]; `soft` [N, V] only matters for the gradient."""
        ctx.save_for_backward(weight)
        ctx.dtype = soft.dtype
        return weight[ids]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient [N, V] in `soft`, in the dtype of `soft`."""
        (weight,) = ctx.saved_tensors
        return (grads[0] @ weight.T).to(ctx.dtype), None, None
