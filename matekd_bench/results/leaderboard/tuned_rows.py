"""Summarizes the tuning of a row: number of trials, the trial chosen for each task, and their cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from matekd_bench.results.records.run_record import Record


def describe_tuning(runs: Iterable[Record]) -> str:
    """Describe how the settings of one protocol's runs were chosen: by tuning, or "defaults"."""
    counts = {len(run.tuning.trials) for run in runs if run.tuning is not None}
    return f"tuned, {'/'.join(map(str, sorted(counts)))} trials" if counts else "defaults"


def common_params(runs: Sequence[Record]) -> dict[str, Any]:
    """Return the parameters of a row; of a tuned row, only those that all its runs share."""
    first = runs[0].identity.params
    if all(run.tuning is None for run in runs):
        return first
    return {
        name: value
        for name, value in first.items()
        if all(run.identity.params.get(name) == value for run in runs)
    }


def chosen_trials(cells: Mapping[str, Mapping[int, Record]]) -> dict[str, str]:
    """Describe the trial that tuning chose for each column: number, learning rate, changed parameters.

    `cells` maps column names to records by seed; columns that were not tuned are omitted.
    """
    chosen = {}
    for name, runs in cells.items():
        if (tuning := next(iter(runs.values())).tuning) is not None:
            pick = tuning.chosen_trial
            changed = "".join(f", {param}={value}" for param, value in pick.params.items())
            chosen[name] = f"{pick.trial}: lr={pick.lr:g}{changed}"
    return chosen


def tuning_flops(cells: Mapping[str, Mapping[int, Record]]) -> float | None:
    """Return the training FLOPs of all trials of one task, mean over tasks; None if the row is not tuned."""
    tunings = [next(iter(runs.values())).tuning for runs in cells.values()]
    flops = [
        float(sum({trial.run_id: trial.train_flops for trial in tuning.trials}.values()))
        for tuning in tunings
        if tuning is not None
    ]
    return fmean(flops) if flops else None
