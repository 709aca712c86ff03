"""The positions that a mask chooses, read from a GPU once however often they are needed."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary


@dataclass(frozen=True)
class Positions:
    """The N true positions of a mask [B, L], row by row: the number in each row, and their row and column [N]."""

    counts: list[int]
    index: tuple[Tensor, Tensor]

    def __len__(self) -> int:
        return sum(self.counts)


# With the number of in-place changes that the mask had when it was read. An entry is removed with its mask.
_known: MutableMapping[Tensor, tuple[int, Positions]] = WeakTensorKeyDictionary()


def positions(at: Tensor) -> Positions:
    """Return the positions of a mask; only the first call for it makes the CPU wait for a GPU."""
    if at.is_inference():  # torch counts no changes of it
        return _read(at)
    version, found = _known.get(at) or (-1, None)
    if found is None or version != at._version:
        found = _read(at)
        _known[at] = (at._version, found)
    return found


def _read(at: Tensor) -> Positions:
    counts = at.sum(dim=1).tolist()
    # With its size known, finding the positions does not wait.
    rows, columns = torch.nonzero_static(at, size=sum(counts)).unbind(dim=1)
    return Positions(counts, (rows, columns))
