"""Predictions of a classifier on whole splits, and the points of a run at which it is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

from matekd_bench.distill.data.batches import pad
from matekd_bench.distill.device import ResolvedPrecision, send
from matekd_bench.distill.models.model_inputs import text_inputs
from matekd_bench.distill.training.ddp import ALONE, Ranks
from matekd_bench.distill.training.forward_passes import autocast
from matekd_bench.distill.training.loss import upcast
from matekd_bench.methods.rows import Encoded


@torch.no_grad()
def predict(
    model: Any,
    rows: Sequence[Encoded],
    pad_id: int,
    *,
    batch_size: int = 64,
    precision: ResolvedPrecision = "float32",
    ranks: Ranks = ALONE,
    on_rows: Callable[[int, int], None] = lambda done, limit: None,
) -> Tensor:
    """Return the logits [n, C] of all rows in their order, in float32 or wider, on the CPU.

    `on_rows` is called after every batch with the number of rows so far, and of all rows.

    The model is in eval mode afterwards.
    """
    device = next(model.parameters()).device
    model.eval()

    def answer(batch: Sequence[Encoded]) -> Tensor:
        inputs = batch_inputs(model, batch, pad_id)
        with autocast(device, precision):
            logits = model(**{name: send(value, device) for name, value in inputs.items()}).logits
        return upcast(logits)

    return answer_in_batches(answer, rows, batch_size, ranks, on_rows)


def batch_inputs(model: Any, batch: Sequence[Encoded], pad_id: int) -> dict[str, Tensor]:
    """Return the inputs of a model for some rows, padded to the longest one: ids, attention mask, types [B, L]."""
    ids, mask, _, types = pad(batch, pad_id)
    return {"input_ids": ids, **text_inputs(model, mask, types)}


def answer_in_batches(
    answer: Callable[[Sequence[Encoded]], Tensor],
    rows: Sequence[Encoded],
    batch_size: int,
    ranks: Ranks = ALONE,
    on_rows: Callable[[int, int], None] = lambda done, limit: None,
) -> Tensor:
    """Return the logits of all rows, in their order; `answer` gets a batch of rows and returns logits [B, C].

    `on_rows` is as in :func:`predict`.

    The same rows always form the same batches (sorted by length, then by position), because padding and batch
    composition change the last bits of logits. Several processes share the batches, so each row is predicted once.
    """
    order = sorted(range(len(rows)), key=lambda row: (len(rows[row].ids), row))
    predicted = []
    for start in ranks.share(range(0, len(order), batch_size)):
        predicted.append(answer([rows[row] for row in order[start : start + batch_size]]))
        on_rows(min(start + batch_size, len(order)), len(order))
    shares = ranks.gather([logits.cpu() for logits in predicted])  # at the end: each copy waits for a GPU
    # Process r of n has batches r, r + n, r + 2n, ...: taking one from each in turn restores their order.
    sorted_logits = torch.cat([batch for turn in zip_longest(*shares) for batch in turn if batch is not None])
    logits = torch.empty_like(sorted_logits)
    logits[torch.tensor(order)] = sorted_logits
    return logits


def evaluation_points(limit: int, evaluations: int) -> list[int]:
    """Return the points at which to evaluate, in units of the budget: equal steps, the last at `limit`.

    There are fewer than `evaluations` points if the budget has fewer units.
    """
    return sorted(
        {max(1, round(limit * evaluation / evaluations)) for evaluation in range(1, evaluations + 1)}
    )
