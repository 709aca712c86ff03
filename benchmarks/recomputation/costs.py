"""Costs of a row: means over seeds, then tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from recomputation.comparisons import Cell, Pair, scored
from recomputation.folder import Run

Row = Mapping[str, Cell]
AS_MUCH = 0.99  # one percent less counts as as much


def over_cells(row: Row, number: Callable[[Run], float | None]) -> float | None:
    """The mean over seeds, then tasks, of a number of the runs that have a score."""
    means = []
    for cell in row.values():
        numbers = [
            found for run in cell.values() if run.status != "failed" and (found := number(run)) is not None
        ]
        means += [float(np.mean(numbers))] if numbers else []
    return float(np.mean(means)) if means else None


def training(run: Run) -> float:
    """Operations of the training."""
    return float(run.record["compute"]["train_flops"])


def whole(run: Run) -> float:
    """Operations of the training and the warm-up."""
    return training(run) + float(run.record["compute"]["precompute_flops"])


def costs(row: Row, reference: Row) -> dict[str, float | None]:
    """PFLOPs and seconds of a training, PFLOPs with warm-up, and the cost relative to the reference on common runs."""
    return {
        "train_pflops": over_cells(row, lambda run: training(run) / 1e15),
        "pflops": over_cells(row, lambda run: whole(run) / 1e15),
        "train_seconds": over_cells(row, lambda run: float(run.record["compute"]["train_seconds"])),
        "flops_x_reference": _ratio(row, reference),
    }


def _ratio(row: Row, reference: Row) -> float | None:
    """The FLOPs of a row over those of the reference, summed over the runs that both have."""
    mine, others = 0.0, 0.0
    for task in row.keys() & reference.keys():
        for seed in scored(row[task]).keys() & scored(reference[task]).keys():
            mine += whole(row[task][seed])
            others += whole(reference[task][seed])
    return mine / others if others else None


def matched(rows: Mapping[str, Row], name: str, reference: str, tasks: tuple[str, ...]) -> float | None:
    """The difference to the cheapest row of the reference that cost at least as much."""
    if _is_reference(name, reference):
        return None
    prices = {other: _price(row, tasks) for other, row in rows.items() if _is_reference(other, reference)}
    least = AS_MUCH * (_price(rows[name], tasks) or np.inf)
    dear = {other: price for other, price in prices.items() if price is not None and price >= least}
    if not dear:
        return None
    return Pair(rows[name], rows[min(dear, key=lambda other: dear[other])], tasks).delta


def _price(row: Row, tasks: tuple[str, ...]) -> float | None:
    """Operations of a run, mean over seeds, then tasks; None without a run on every task."""
    if not all(scored(row.get(task, {})) for task in tasks):
        return None
    return over_cells({task: row[task] for task in tasks}, whole)


def _is_reference(name: str, reference: str) -> bool:
    return name == reference or name.startswith(f"{reference}@")
