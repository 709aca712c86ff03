"""Finds the last layer of a classifier or regression model, and reorders its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from matekd_bench.errors import CheckpointError


def output_layer(model: Any, outputs: int) -> nn.Linear:
    """Return the only linear layer with `outputs` outputs outside of the encoder.

    Raises CheckpointError if the model does not have exactly one.
    """
    inside = set(model.base_model.modules())
    layers = [
        module
        for module in model.modules()
        if module not in inside and isinstance(module, nn.Linear) and module.out_features == outputs
    ]
    if len(layers) != 1:
        raise CheckpointError(
            f"can't tell which layer of {type(model).__name__} gives the outputs: choose another model."
        )
    return layers[0]


@torch.no_grad()
def reorder_outputs(model: Any, order: Sequence[int]) -> None:
    """Put the outputs of a classifier into another order, in place: output i becomes what output `order[i]` was."""
    layer = output_layer(model, len(order))
    for weights in (layer.weight, layer.bias):
        if weights is not None:
            weights.copy_(weights[list(order)].clone())
