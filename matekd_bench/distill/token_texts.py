"""Readable texts of the views that a method yields, for previews and checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from matekd_bench.distill.models.checkpoints import Checkpoint
from matekd_bench.distill.models.tokenizers import load_tokenizer
from matekd_bench.distill.training.run_context import RunContext
from matekd_bench.methods.rows import Perturbed
from matekd_bench.methods.views import Batch, View


class RecordingContext(RunContext):
    """A run's context that remembers the texts of every view that was made from texts."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self._views: list[tuple[Tensor, list[tuple[str, ...]]]] = []

    @property
    def has_texts(self) -> bool:
        """True if any view was made from texts."""
        return bool(self._views)

    def collate(self, rows: Sequence[Perturbed], dropout: int = 1) -> View:
        """Make a view of perturbed rows as a run does, and remember its texts."""
        view = super().collate(rows, dropout)
        self._views.append((view.ids, [row.texts for row in rows]))
        return view

    def forget_views(self) -> None:
        """Forget all views and their texts."""
        self._views.clear()

    def texts_of(self, view: View) -> list[tuple[str, ...]] | None:
        """Return the texts that a view was made from, row by row; None if it was made from token ids."""
        # By identity of the ids: a method may put the same ids into another view, with other shares or targets.
        return next((texts for ids, texts in reversed(self._views) if ids is view.ids), None)


class ViewDecoder:
    """A decoder of token ids to text, one text per segment, with mask tokens visible."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._tokenizer = load_tokenizer(checkpoint)

    def __call__(self, view: View, batch: Batch) -> list[tuple[str, ...]]:
        """Return the segments of every row of a view; tokens hidden by the attention mask are left out.

        The batch's special tokens separate the segments. A view whose ids have another shape than the batch's is read
        as one segment.
        """
        if view.ids.shape != batch.ids.shape:
            return [(self._text(ids[seen]),) for ids, seen in zip(view.ids, view.mask == 1, strict=True)]
        return [
            tuple(self._text(ids[segment & seen]) for segment in segments(special))
            for ids, seen, special in zip(view.ids, view.mask == 1, batch.special, strict=True)
        ]

    def _text(self, ids: Tensor) -> str:
        return str(self._tokenizer.decode(ids.tolist(), skip_special_tokens=False)).strip()


def segments(special: Tensor) -> list[Tensor]:
    """Return a mask [L] for each segment of a text or pair.

    `special` [L] is true at special tokens. A segment is an uninterrupted stretch of other tokens.
    """
    ordinary = ~special
    starts = ordinary & ~torch.cat([ordinary.new_zeros(1), ordinary[:-1]])
    number = starts.cumsum(0)  # counts the segments from 1
    return [ordinary & (number == index) for index in range(1, int(starts.sum()) + 1)]
