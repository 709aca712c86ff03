"""Drawing tokens from a softmax: by inverse CDF where no gradient is wanted, by Gumbel-softmax where one is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

TINY = 2.0**-25  # half the spacing of torch.rand in float32: zero is the one draw whose logarithm is infinite


def sample(logits: Tensor, uniform: Tensor) -> Tensor:
    """One token id for each row of logits [N, V], drawn from their softmax by inverse CDF with `uniform` [N].

    The same distribution as the argmax of logits plus Gumbel noise, for one random number instead of V. Probabilities
    too small for float32 to add to the cumulative sum are lost, which at V = 30,000 is below 1e-6 of the mass.
    """
    weights = (logits - logits.amax(dim=-1, keepdim=True)).exp_()
    cumulative = weights.cumsum(dim=-1)
    target = uniform.to(cumulative.dtype).unsqueeze(-1) * cumulative[:, -1:]
    ids = torch.searchsorted(cumulative, target, right=True).squeeze(-1)
    return ids.clamp_(max=logits.shape[-1] - 1)


def gumbel_softmax(logits: Tensor, uniform: Tensor, temperature: float) -> Tensor:
    """The relaxed sample ``softmax((logits + g) / temperature)`` [N, V], g Gumbel noise made of `uniform` in [0, 1).

    Its argmax is an exact draw from the softmax of the logits (Jang et al. 2017, arXiv 1611.01144, equation 2). The
    noise is computed in at least float32, where the smallest number does not vanish.
    """
    uniform = uniform.to(logits.dtype).clamp(min=TINY)
    noise = uniform.log_().neg_().log_().neg_()
    return torch.softmax((logits + noise) / temperature, dim=-1)


class StraightThroughLookup(torch.autograd.Function):
    """Rows of W by id going forward; going backward the gradient of ``soft @ W``.

    Equal to ``(one_hot(ids) + soft - soft.detach()) @ W`` with W constant, without ever building a [N, V] one-hot:
    forward is a look-up, ``d loss / d soft = g @ W^T``.
    """

    @classmethod
    def look_up(cls, soft: Tensor, ids: Tensor, weight: Tensor) -> Tensor:
        """Embeddings [N, width]; W [V, width] is a constant."""
        apply: Callable[[Tensor, Tensor, Tensor], Tensor] = cls.apply
        return apply(soft, ids, weight)

    @staticmethod
    def forward(ctx: Any, soft: Tensor, ids: Tensor, weight: Tensor) -> Tensor:
        """Embeddings [N, width] of `ids` [N]; `soft` [N, V] takes part in the gradient only."""
        ctx.save_for_backward(weight)
        ctx.dtype = soft.dtype
        return weight[ids]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        """The gradient [N, V] in `soft`."""
        (weight,) = ctx.saved_tensors
        return (grads[0] @ weight.T).to(ctx.dtype), None, None
