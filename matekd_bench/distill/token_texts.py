"""The texts behind the token ids that a method yields, for people to read."""

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


class KeepingContext(RunContext):
    """A run's context that remembers which texts became which view."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self._views: list[tuple[Tensor, list[tuple[str, ...]]]] = []

    @property
    def wrote(self) -> bool:
        """Whether any view was made of texts."""
        return bool(self._views)

    def collate(self, rows: Sequence[Perturbed], dropout: int = 1) -> View:
        """As in a run; the texts are kept."""
        view = super().collate(rows, dropout)
        self._views.append((view.ids, [row.texts for row in rows]))
        return view

    def forget(self) -> None:
        """Lets go of all views."""
        self._views.clear()

    def written(self, view: View) -> list[tuple[str, ...]] | None:
        """The texts that a view was made of, row by row; None where it was made of ids."""
        return next((texts for ids, texts in reversed(self._views) if ids is view.ids), None)


class Reader:
    """Reads ids back as text, segment by segment, with mask tokens visible."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._tokenizer = load_tokenizer(checkpoint)

    def __call__(self, view: View, batch: Batch) -> list[tuple[str, ...]]:
        """The segments of every row of a view that has the batch's positions; a token that is not seen is left out.

        A view of another shape is read as one segment.
        """
        if view.ids.shape != batch.ids.shape:
            return [(self._text(ids[seen]),) for ids, seen in zip(view.ids, view.mask == 1, strict=True)]
        return [
            tuple(self._text(ids[at & seen]) for at in segments(special))
            for ids, seen, special in zip(view.ids, view.mask == 1, batch.special, strict=True)
        ]

    def _text(self, ids: Tensor) -> str:
        return str(self._tokenizer.decode(ids.tolist(), skip_special_tokens=False)).strip()


def segments(special: Tensor) -> list[Tensor]:
    """For flags [L] of special tokens, a mask [L] of each run of others: the segments of a text or pair."""
    others = ~special
    starts = others & ~torch.cat([others.new_zeros(1), others[:-1]])
    number = starts.cumsum(0)
    return [others & (number == index) for index in range(1, int(starts.sum()) + 1)]
