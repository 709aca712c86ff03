"""The encoded rows of one split, with labels and the teacher's logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from matekd_bench.methods.rows import Encoded


@dataclass(frozen=True)
class Corpus:
    """The encoded rows of one split, with labels and, for training, the teacher's logits on the clean input.

    `labels` is [n]: int64 class ids, or standardized float32 scores for regression. `pad` is the id of the padding
    token. `teacher_logits` is [n, C] float32, standardized as the scores are, or None.
    """

    uids: Sequence[str]
    texts: Sequence[tuple[str, ...]]
    encoded: Sequence[Encoded]
    labels: Tensor
    pad: int
    teacher_logits: Tensor | None = None

    def __len__(self) -> int:
        return len(self.uids)

    @property
    def lengths(self) -> list[int]:
        """The number of tokens of each row, special tokens included."""
        return [len(row.ids) for row in self.encoded]
