"""How long the rest of a study will take, judged by the runs that are recorded or else by its arithmetic."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from matekd_bench.distill.networks import count_layers
from matekd_bench.results.folder.store import ResultsStore
from matekd_bench.results.records.record import Record
from matekd_bench.study.grid import Cell

TOKENS_PER_WORD = 1.35  # of English text under a vocabulary of 30,000 pieces
# Student passes forward and backward per update, in units of plain distillation, by what a method perturbs.
PASSES = {"control": 1.0, "text": 2.3, "token": 2.3, "embedding": 3.0, "generator": 3.0}
EFFICIENCY = 0.35  # of the speed of one large matrix product, seen in training small encoders


def seconds_left(cells: Sequence[Cell], store: ResultsStore) -> float | None:
    """Seconds for `cells` one after another; None where there is nothing to do.

    A cell with recorded sisters (same method, task and device) takes their mean seconds per budget unit, others
    an estimate from FLOPs and the measured speed of one matrix product: rough, within a factor of two.
    """
    if not cells:
        return None
    records = [record for record in store.records() if record.status in ("ok", "collapsed")]
    speed: float | None = None
    total = 0.0
    for cell in cells:
        known = _from_records(cell, records)
        if known is None:
            speed = speed or matrix_speed(cell.recipe.device)
            known = training_flops(cell) / (speed * EFFICIENCY)
        total += known
    return total


def _from_records(cell: Cell, records: Sequence[Record]) -> float | None:
    kind, limit = cell.job.budget
    sisters = [
        record
        for record in records
        if record.identity.method == cell.job.method.name
        and record.identity.task == cell.data.task.name
        and record.compute.device == cell.recipe.device.type
        and record.budget.kind == kind
        and record.budget.spent
    ]
    if not sisters:
        return None
    rates = [(run.compute.train_seconds + run.compute.eval_seconds) / run.budget.spent for run in sisters]
    return limit * sum(rates) / len(rates)


def training_flops(cell: Cell) -> float:
    """About how many FLOPs a run takes: 6 per weight and token of the student's layers, times the method's passes."""
    kind, limit = cell.job.budget
    if kind == "train_flops":
        return float(limit)
    examples = limit if kind == "clean_examples" else limit * cell.job.training.optimiser.batch_size
    config = cell.recipe.student.checkpoint.config
    width = int(config.get("hidden_size") or config.get("dim") or 768)
    depth = len(cell.recipe.student.layers or ()) or count_layers(cell.recipe.student.checkpoint)
    weights = 12 * depth * width**2
    return 6.0 * weights * examples * mean_tokens(cell) * PASSES[cell.job.method.level]


def mean_tokens(cell: Cell) -> float:
    """About how many tokens a training example has, from the words of a few hundred."""
    texts = cell.data.train.texts[:500] if cell.data.train else ()
    words = [sum(len(text.split()) for text in row) for row in texts] or [16]
    return min(cell.recipe.max_length, 3 + TOKENS_PER_WORD * sum(words) / len(words))


def matrix_speed(device: torch.device) -> float:
    """FLOPs a second of a float32 matrix product of 1024 x 1024, the best of three."""
    size = 1024
    a = torch.ones(size, size, device=device)
    best = 0.0
    for _ in range(3):
        started = time.perf_counter()
        float((a @ a)[0, 0])
        best = max(best, 2 * size**3 / (time.perf_counter() - started))
    return best
