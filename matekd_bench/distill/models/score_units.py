"""The units of a regression: networks train on standardized scores and answer in the task's own units.

Squared errors depend on the units of the scores, and with them the size of gradients and the weight of a temperature or
of a method's term. So the training scores are standardized, `(score - mean) / sd`. Everything outside of training is
in the task's units: predictions, kept students, teachers in the cache and teachers that the user gives.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from matekd_bench.distill.models.output_layer import output_layer
from matekd_bench.errors import DataError
from matekd_bench.tasks.task import TaskData

# Spread relative to the mean below which float32 outputs, with 24 bits, no longer tell the scores apart well.
LEAST_SPREAD = 1e-5


@dataclass(frozen=True)
class ScoreUnits:
    """The mean and the population standard deviation of a task's training scores, in the task's units."""

    mean: float
    sd: float

    def standardize(self, scores: Tensor) -> Tensor:
        """Turn scores in the task's units into standardized ones."""
        return (scores - self.mean) / self.sd

    def restore(self, standardized: Tensor) -> Tensor:
        """Turn standardized scores into those of the task's units."""
        return standardized * self.sd + self.mean

    @property
    def inverse(self) -> ScoreUnits:
        """The units whose :meth:`restore` standardizes."""
        return ScoreUnits(-self.mean / self.sd, 1 / self.sd)


def score_units(data: TaskData) -> ScoreUnits | None:
    """Return the units of a task's training scores, computed in float64; None for a classification.

    Raises DataError if the scores are all the same, or nearly so.
    """
    if data.task.labels or data.train is None or data.train.labels is None:
        return None
    scores = np.asarray(data.train.gold, dtype=np.float64)
    mean, sd = float(scores.mean()), float(scores.std())
    if sd <= LEAST_SPREAD * abs(mean):
        raise DataError(
            f"the training scores of '{data.task.name}' are constant or nearly so: mean {mean:g}, "
            f"standard deviation {sd:.2g}.",
            hint="If small differences matter, subtract a constant from all scores.",
        )
    return ScoreUnits(mean, sd)


class ScoreHead(nn.Linear):
    """The last layer of a regression, computed in the precision of its weights even if the rest uses bfloat16.

    With 8 bits, scores such as years (mean 2000, standard deviation 5) would all be one number.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the scores [B, 1] of hidden states [B, H]."""
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.to(self.weight.dtype))


def use_score_head(model: Any) -> None:
    """Turn a regression model's last layer into a :class:`ScoreHead`, in place; its weights keep names and values."""
    output_layer(model, 1).__class__ = ScoreHead


@torch.no_grad()
def change_units(model: Any, units: ScoreUnits) -> float:
    """Change the last layer of a model that gives standardized scores, so that it gives those of the task's units.

    Returns what must still be added to its answers: 0, or the mean if the layer has no bias.
    """
    head = output_layer(model, 1)
    _apply(head.weight, units.sd, 0.0)
    if head.bias is None:  # models with a decoder
        return units.mean
    _apply(head.bias, units.sd, units.mean)
    return 0.0


def _apply(weights: Tensor, factor: float, offset: float) -> None:
    """Multiply and add in float64, on the CPU since not every device has it; round once."""
    weights.copy_(weights.cpu().double() * factor + offset)


def add_offset(model: Any, offset: float) -> RemovableHandle | None:
    """Let a model add `offset` to its answers, until the returned hook is removed; does nothing if it is 0."""
    if not offset:
        return None

    def add(module: Any, inputs: Any, output: Any) -> Any:
        output.logits = output.logits + offset
        return output

    hook: RemovableHandle = model.register_forward_hook(add)
    return hook


@contextlib.contextmanager
def task_units(model: Any, units: ScoreUnits | None) -> Iterator[float]:
    """Let a network that is trained on standardized scores answer in the task's units within the block.

    Afterwards its weights are what they were, bit for bit. Yields the part of the answers that is not in the weights
    (see :func:`change_units`); inside the block it is added too. Does nothing if `units` is None.
    """
    if units is None:
        yield 0.0
        return
    weights = {name: value.detach().clone() for name, value in output_layer(model, 1).state_dict().items()}
    offset = change_units(model, units)
    hook = add_offset(model, offset)
    try:
        yield offset
    finally:
        output_layer(model, 1).load_state_dict(weights)
        if hook is not None:
            hook.remove()
