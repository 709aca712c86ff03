"""Holds the weights of a frozen network in the precision in which a run multiplies them."""

from __future__ import annotations

import torch
from torch import nn

from matekd_bench.distill.device import ResolvedPrecision
from matekd_bench.distill.training.forward_passes import autocast


def hold_in_precision(network: nn.Module, precision: ResolvedPrecision) -> None:
    """Convert the linear layers of a frozen network, in place, to what autocast makes of them in every pass.

    Under autocast the network answers the same, bit for bit. Without this, autocast converts all of its weights in
    every pass, since between passes it keeps the converted weights of trained networks only. Embeddings and norms stay
    unchanged, since autocast uses them in float32. A pass without autocast fails afterwards. Does nothing for float32.
    """
    device = next(network.parameters()).device
    with autocast(device, precision):
        if not torch.is_autocast_enabled(device.type):
            return
        dtype = torch.get_autocast_dtype(device.type)
    # By type, not by subclass: a subclass may compute differently, such as the head of a regression in float32.
    linear = [module for module in network.modules() if type(module) is nn.Linear]
    others = [module for module in network.modules() if type(module) is not nn.Linear]
    tied = {id(weight) for module in others for weight in module.parameters(recurse=False)}
    for module in linear:
        if not any(id(weight) in tied for weight in module.parameters()):
            module.to(dtype)
