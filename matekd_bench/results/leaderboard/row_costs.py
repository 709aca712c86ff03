"""Computes the cost of a row's runs, also relative to the reference."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

from matekd_bench.results.leaderboard.grouping import RecordGrid, RowKey
from matekd_bench.results.leaderboard.table import Cost
from matekd_bench.results.records.run_record import Record


def row_cost(key: RowKey, grid: RecordGrid, reference: RowKey | None) -> Cost | None:
    """Average the costs of a row over seeds, then over tasks; None if no run of the row has a score."""
    by_task = [runs for column in grid.columns if (runs := list(grid.scored(key, column).values()))]
    if not by_task:
        return None

    def mean(field: str) -> float:
        return fmean([fmean([getattr(run.compute, field) for run in runs]) for runs in by_task])

    peaks = [run.compute.peak_memory_bytes for runs in by_task for run in runs]
    known = [peak for peak in peaks if peak is not None]
    return Cost(
        student_updates=mean("student_updates"),
        auxiliary_updates=mean("auxiliary_updates"),
        train_seconds=mean("train_seconds"),
        train_flops=mean("train_flops"),
        flops_x_reference=_flops_ratio(key, grid, reference) if reference else None,
        precompute_flops=mean("precompute_flops"),
        precompute_seconds=mean("precompute_seconds"),
        eval_seconds=mean("eval_seconds"),
        peak_memory_bytes=max(known) if len(known) == len(peaks) else None,
    )


def flops_over(key: RowKey, grid: RecordGrid, columns: Iterable[str]) -> float | None:
    """Return the FLOPs of training and preparation: mean over seeds, summed over `columns`.

    None if a column has no run with a score.
    """
    total = 0.0
    for column in columns:
        runs = grid.scored(key, column).values()
        if not runs:
            return None
        total += fmean(map(_flops, runs))
    return total


def _flops_ratio(key: RowKey, grid: RecordGrid, reference: RowKey) -> float | None:
    """Return the row's FLOPs of training and preparation divided by the reference's.

    Only tasks and seeds that both rows have count. None if there are none.
    """
    own_flops = reference_flops = 0
    for column in grid.columns:
        reference_runs = grid.scored(reference, column)
        for seed, run in grid.scored(key, column).items():
            if seed in reference_runs:
                own_flops += _flops(run)
                reference_flops += _flops(reference_runs[seed])
    return own_flops / reference_flops if reference_flops else None


def _flops(run: Record) -> int:
    return run.compute.train_flops + run.compute.precompute_flops
