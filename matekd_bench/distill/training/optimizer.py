"""The optimizer of every network, and steps that refuse gradients and losses that are not finite."""

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


class Later:
    """A number that a GPU is still computing; ``float()`` waits until it has arrived, and only for it."""

    def __init__(self, number: Tensor) -> None:
        self._host = torch.empty((), dtype=number.dtype, pin_memory=number.is_cuda)
        self._host.copy_(number.detach(), non_blocking=True)
        self._arrived = torch.cuda.current_stream(number.device).record_event() if number.is_cuda else None

    def __float__(self) -> float:
        if self._arrived is not None:
            self._arrived.synchronize()
        return float(self._host)


class FiniteChecks:
    """Checks of losses and gradient norms: at once, or `late`, on a GPU, while the next update is computed.

    To read a number, the CPU waits for the GPU, which then has nothing to do until the CPU has queued more work. Late
    checks read the numbers of an update after the next one is queued. Until then a fused optimizer, such as the
    student's, skips on the GPU a step whose numbers are not finite. Another one, of a method's module, makes the step,
    and the run ends before the module is used for anything that is recorded.
    """

    def __init__(self, *, late: bool = False) -> None:
        self.late = late
        self._waiting: list[tuple[int, str, Later, Later]] = []

    def step(
        self, optimizer: torch.optim.Optimizer, update: int, whose: str, norm: Tensor, loss: Tensor | float
    ) -> None:
        """Step the optimizer unless `norm` or `loss` is not finite, and remember them for :meth:`read`."""
        loss = loss if isinstance(loss, Tensor) else norm.new_full((), loss)
        if optimizer.defaults.get("fused"):  # these read the attribute, which torch's GradScaler sets too
            optimizer.found_inf = (~(norm.isfinite() & loss.isfinite())).float()  # type: ignore[attr-defined]
        optimizer.step()
        self._waiting.append((update, whose, Later(norm), Later(loss)))

    def read(self) -> None:
        """Raise DivergedError if a number of the updates since the last call is not finite."""
        waiting, self._waiting = self._waiting, []
        for update, whose, norm, loss in waiting:
            refuse_not_finite(update, whose, float(norm), float(loss))


AT_ONCE = FiniteChecks()


def refuse_not_finite(update: int, whose: str, norm: float, loss: float) -> None:
    """Raise DivergedError if the gradient norm or the loss is not finite."""
    if not math.isfinite(norm):
        raise DivergedError(update, f"the gradient norm of {whose}", norm)
    if not math.isfinite(loss):  # possible with a finite gradient, e.g. from another term of the loss
        raise DivergedError(update, f"the loss of {whose}", loss)


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
    checks: FiniteChecks = AT_ONCE,
) -> None:
    """Clip the gradient to norm `clip`, step the optimizer and clear the gradient.

    `update` (from 1) and `whose` are for the error message. Raises DivergedError for a gradient norm or a loss that is
    not finite, before the weights change. In fp16, where the scale of the loss may have made the gradient overflow, the
    step is skipped instead. With late `checks` the error comes from their :meth:`~FiniteChecks.read`.
    """
    scale.unscale(optimizer)
    # Without clipping too: the norm shows whether the gradient is finite.
    length = nn.utils.clip_grad_norm_(module.parameters(), math.inf if clip is None else clip)
    if checks.late:
        checks.step(optimizer, update, whose, length, loss)
    else:
        norm, loss = float(length), float(loss)  # in this order, so that the CPU waits for a GPU once
        if math.isfinite(norm) or not math.isfinite(loss) or not scale.can_fall:
            refuse_not_finite(update, whose, norm, loss)
            scale.step(optimizer)
    optimizer.zero_grad(set_to_none=True)
