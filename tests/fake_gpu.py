"""A GPU that is not there: what is meant for it runs on the CPU, and a test sees what was made there and sent there."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

GPU, CPU = torch.device("cuda", 1), torch.device("cpu")


class FakeGPU(TorchFunctionMode):
    """Inside the block the CPU takes the place of :data:`GPU`.

    `made` has the names of the functions that made a tensor there. `sent` counts the copies to it that the CPU did not
    wait for, `waited` those for which it would have.
    """

    def __init__(self) -> None:
        super().__init__()
        self.made: list[str] = []
        self.sent = self.waited = 0
        self._locked: list[torch.Tensor] = []  # page-locked tensors

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, getattr(func, "__name__", "")
        if name == "pin_memory":
            self._locked.append(args[0].clone())
            return self._locked[-1]
        if any(map(_on_gpu, (*args, *kwargs.values()))):
            if name == "to":
                self._count_copy(args[0], bool(kwargs.get("non_blocking")))
            else:
                self.made.append(name)
            args = tuple(CPU if _on_gpu(value) else value for value in args)
            kwargs = {key: CPU if _on_gpu(value) else value for key, value in kwargs.items()}
        return func(*args, **kwargs)

    def _count_copy(self, tensor: torch.Tensor, non_blocking: bool) -> None:
        free = non_blocking and any(tensor is locked for locked in self._locked)
        self.sent, self.waited = self.sent + free, self.waited + (not free)


def _on_gpu(value: Any) -> bool:
    return isinstance(value, torch.device) and value.type == "cuda"
