"""The optimizer every network is trained with, and the step that refuses a gradient that is not finite."""

from __future__ import annotations

import math

import torch
from torch import nn

from matekd_bench.distill.settings import Optimizer
from matekd_bench.errors import RunError


class DivergedError(RunError):
    """A loss or gradient that is no longer a finite number; the run ends there and is recorded so."""

    def __init__(self, update: int, what: str, value: float) -> None:
        super().__init__(f"{what} became {value} at update {update}")
        self.update = update


def make_optimizer(model: nn.Module, settings: Optimizer) -> torch.optim.Optimizer:
    """AdamW or Adam, with weight decay on matrices and embeddings only, not on biases and layer norms."""
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
    loss: float = 0.0,
) -> None:
    """Clips the gradient's norm, steps and clears the gradient.

    Raises DivergedError for a norm or a loss that is not finite, before anything reaches the weights.
    """
    norm = float(nn.utils.clip_grad_norm_(module.parameters(), math.inf if clip is None else clip))
    if not math.isfinite(norm):
        raise DivergedError(update, f"the gradient norm of {whose}", norm)
    if not math.isfinite(loss):  # with a gradient that is finite, e.g. of another of the terms
        raise DivergedError(update, f"the loss of {whose}", loss)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
