"""Hold the weights of a frozen network in the precision in which the run multiplies by them."""

from __future__ import annotations

import torch
from torch import nn

from matekd_bench.distill.device import ResolvedPrecision
from matekd_bench.distill.training.forward_passes import autocast


def hold_in_precision(network: nn.Module, precision: ResolvedPrecision) -> None:
    """Convert the linear layers of a frozen network, in place, to what autocast makes of them in every pass.

    The network answers the same under autocast, bit by bit. Without this, autocast converts all of its weights in every
    pass: between passes it keeps those only that are trained. Embeddings and norms stay as they are, since autocast
    computes with them in float32. A pass without autocast fails afterwards. Does nothing for float32.
    """
    device = next(network.parameters()).device
    with autocast(device, precision):
        if not torch.is_autocast_enabled(device.type):
            return
        dtype = torch.get_autocast_dtype(device.type)
    # By type, not by subclass: a subclass may compute otherwise, such as the head of a regression in float32.
    linear = [module for module in network.modules() if type(module) is nn.Linear]
    others = [module for module in network.modules() if type(module) is not nn.Linear]
    tied = {id(weight) for module in others for weight in module.parameters(recurse=False)}
    for module in linear:
        if not any(id(weight) in tied for weight in module.parameters()):
            module.to(dtype)
