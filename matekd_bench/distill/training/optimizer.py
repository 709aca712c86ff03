"""The optimizer of every network, and a step that refuses gradients and losses that are not finite."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from matekd_bench.distill.settings import Optimizer
from matekd_bench.distill.training.loss_scale import UNSCALED, LossScale
from matekd_bench.errors import RunError


class DivergedError(RunError):
    """An error for a loss, gradient or prediction that is not finite; the run ends and is recorded as diverged."""

    def __init__(self, update: int, what: str, value: float) -> None:
        super().__init__(f"{what} became {value} at update {update}")
        self.update = update


def make_optimizer(model: nn.Module, settings: Optimizer) -> torch.optim.Optimizer:
    """Make AdamW or Adam for a model, with weight decay on matrices and embeddings, not on biases and layer norms."""
    algorithm = torch.optim.AdamW if settings.algorithm == "adamw" else torch.optim.Adam
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    return algorithm(
        [
            {"params": matrices, "weight_decay": settings.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        lr=settings.lr,
        betas=(settings.beta1, settings.beta2),
        eps=settings.eps,
        fused=True,
    )


def step(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    clip: float | None,
    *,
    update: int,
    whose: str,
    loss: Tensor | float = 0.0,
    scale: LossScale = UNSCALED,
) -> None:
    """Clip the gradient to norm `clip`, step the optimizer and clear the gradient.

    `update` (from 1) and `whose` are for the error message. Raises DivergedError for a gradient norm or a loss that is
    not finite, before the weights change. In fp16, where the scale of the loss may have made the gradient overflow, the
    step is skipped instead.
    """
    scale.unscale(optimizer)
    # Also without clipping: the norm shows whether the gradient is finite.
    norm = float(nn.utils.clip_grad_norm_(module.parameters(), math.inf if clip is None else clip))
    loss = float(loss)  # after the norm, so that the CPU waits for a GPU once
    if not math.isfinite(norm) and math.isfinite(loss) and scale.can_fall:
        optimizer.zero_grad(set_to_none=True)
        return
    if not math.isfinite(norm):
        raise DivergedError(update, f"the gradient norm of {whose}", norm)
    if not math.isfinite(loss):  # possible with a finite gradient, e.g. from another term of the loss
        raise DivergedError(update, f"the loss of {whose}", loss)
    scale.step(optimizer)
    optimizer.zero_grad(set_to_none=True)
