"""Scales losses in fp16, where small gradients would vanish, and undoes it before the optimizer steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from matekd_bench.distill.device import ResolvedPrecision

SMALLEST = 1.0  # at this scale a gradient that is not finite has another cause


class LossScale:
    """The scale of a run's losses; it does nothing in other precisions than fp16.

    It is halved after an update whose gradient is not finite, which is skipped, and doubled after 2000 other updates.
    """

    def __init__(self, device: torch.device, precision: ResolvedPrecision) -> None:
        self.enabled = precision == "fp16"
        self._scaler = torch.amp.GradScaler(device.type, enabled=self.enabled)
        self._unscaled = False

    def backward(self, loss: Tensor) -> None:
        """Run backward from the scaled loss."""
        self._scaler.scale(loss).backward()

    def unscale_shift(self, grad: Tensor) -> None:
        """Undo the scale in the gradient of a view's shift, in place.

        Where it overflowed it becomes 0: the update will be skipped, and until then the shift must stay finite.
        """
        if self.enabled:
            grad.div_(self._scaler.get_scale()).nan_to_num_(0.0, 0.0, 0.0)

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Undo the scale in the gradients of the optimizer's weights."""
        if self.enabled:
            self._scaler.unscale_(optimizer)
            self._unscaled = True

    @property
    def can_fall(self) -> bool:
        """True if a smaller scale might make a gradient finite."""
        return self.enabled and self._scaler.get_scale() > SMALLEST

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Step the optimizer."""
        self._scaler.step(optimizer)

    def adjust(self) -> None:
        """Choose the scale of the next update; call it after all optimizers of an update have stepped."""
        if self._unscaled:
            self._scaler.update()
            self._unscaled = False

    def state_dict(self) -> dict[str, Any]:
        """Return the scale, for :meth:`load_state_dict`; nothing in other precisions than fp16."""
        return dict(self._scaler.state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue with the scale of a :meth:`state_dict`."""
        self._scaler.load_state_dict(dict(state))


UNSCALED = LossScale(torch.device("cpu"), "float32")
