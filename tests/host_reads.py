"""Count the operations for which a CPU would wait if the tensors were on a GPU."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

READS = frozenset({"tolist", "item", "__float__", "__int__", "__bool__", "nonzero", "masked_select", "cpu"})
INDEXING = frozenset({"__getitem__", "__setitem__", "index_put", "index_put_"})  # by a mask: its size is read


class HostReads(TorchFunctionMode):
    """Lists in `names` the reads inside the block that code of the suite and of its methods makes."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if (name in READS or (name in INDEXING and _by_mask(args[1]))) and _in_suite():
            self.names.append(name)
        return func(*args, **(kwargs or {}))


def _by_mask(index: Any) -> bool:
    parts = index if isinstance(index, (tuple, list)) else (index,)
    return any(isinstance(part, torch.Tensor) and part.dtype == torch.bool for part in parts)


def _in_suite() -> bool:
    """True if a line of the suite calls torch, not a library; what an optimizer reads is on the CPU."""
    frame = sys._getframe(2)
    while "/torch/" in frame.f_code.co_filename:
        if "/torch/optim/" in frame.f_code.co_filename or frame.f_back is None:
            return False
        frame = frame.f_back
    return any(part in frame.f_code.co_filename for part in ("matekd_bench", "matekd_plugins"))
