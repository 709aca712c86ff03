"""Predictions of a classifier on whole splits: length-sorted batches, results in the split's order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

from matekd_bench.distill.data.batches import pad
from matekd_bench.distill.device import ResolvedPrecision
from matekd_bench.distill.models.networks import text_inputs
from matekd_bench.distill.training.ddp import ALONE, Ranks
from matekd_bench.distill.training.forward_passes import autocast
from matekd_bench.distill.training.loss import wide
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
) -> Tensor:
    """Logits [n, C] in float32 on the CPU, in eval mode.

    Batches are always the same for the same rows (sorted by length, then by position), because padding and batch
    composition change logits in the last bits; several processes divide them among themselves, each row once.
    """
    device = next(model.parameters()).device
    model.eval()
    order = sorted(range(len(rows)), key=lambda row: (len(rows[row].ids), row))
    parts = []
    for start in ranks.mine(range(0, len(order), batch_size)):
        ids, mask, _, types = pad([rows[row] for row in order[start : start + batch_size]], pad_id)
        inputs = {"input_ids": ids, **text_inputs(model, mask, types)}
        with autocast(device, precision):
            logits = model(**{name: value.to(device) for name, value in inputs.items()}).logits
        parts.append(wide(logits).cpu())
    shares = ranks.gather(parts)
    sorted_logits = torch.cat([part for turn in zip_longest(*shares) for part in turn if part is not None])
    logits = torch.empty_like(sorted_logits)
    logits[torch.tensor(order)] = sorted_logits
    return logits


def evaluation_points(limit: int, evaluations: int) -> list[int]:
    """When to evaluate, in units of the budget: `evaluations` equal steps, the last at the very end.

    Fewer evaluations where the budget has fewer units than evaluations.
    """
    return sorted(
        {max(1, round(limit * evaluation / evaluations)) for evaluation in range(1, evaluations + 1)}
    )
