"""The encoded rows of one split, with labels and the teacher's logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from matekd_bench.methods.rows import Encoded

NO_CLASS = -100  # the class id of a row without a label, torch's `ignore_index`; without a score it is NaN


@dataclass(frozen=True)
class Corpus:
    """The encoded rows of one split, with labels and, for training, the teacher's logits on the clean input.

    `labels` is [n]: int64 class ids, or standardized float32 scores for regression; NO_CLASS or NaN without a label.
    `pad` is the id of the padding token. `teacher_logits` is [n, C] float32, standardized as the scores are, or None.
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

    def labeled(self) -> Corpus:
        """Return the rows that have a label; the corpus itself if all have one."""
        known = (
            self.labels.isnan().logical_not() if self.labels.is_floating_point() else self.labels != NO_CLASS
        )
        if bool(known.all()):
            return self
        rows = known.nonzero().flatten().tolist()
        return Corpus(
            uids=[self.uids[row] for row in rows],
            texts=[self.texts[row] for row in rows],
            encoded=[self.encoded[row] for row in rows],
            labels=self.labels[known],
            pad=self.pad,
            teacher_logits=None if self.teacher_logits is None else self.teacher_logits[known],
        )


def label_tensor(labels: Sequence[int | None] | Sequence[float | None], *, classes: bool) -> Tensor:
    """Return class ids (int64) or scores (float64), with NO_CLASS or NaN for a missing one."""
    missing = NO_CLASS if classes else float("nan")
    values = [missing if label is None else label for label in labels]
    return torch.tensor(values, dtype=torch.long if classes else torch.float64)
