"""What the records of a row say of its tuning: how many trials, which one was chosen for a task, what they cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from matekd_bench.results.records.run_record import Record


def how(runs: Iterable[Record]) -> str:
    """How the settings of one protocol's runs were chosen, in words."""
    counts = {len(run.tuning.trials) for run in runs if run.tuning is not None}
    return f"tuned, {'/'.join(map(str, sorted(counts)))} trials" if counts else "defaults"


def common_params(runs: Sequence[Record]) -> dict[str, Any]:
    """The parameters of a row: where it is tuned, those in which all its runs agree."""
    first = runs[0].identity.params
    if all(run.tuning is None for run in runs):
        return first
    return {
        name: value
        for name, value in first.items()
        if all(run.identity.params.get(name) == value for run in runs)
    }


def chosen(run: Record) -> str | None:
    """What tuning chose for a run: the trial's number, its learning rate and the parameters that it changed."""
    if run.tuning is None:
        return None
    pick = run.tuning.pick
    changed = "".join(f", {name}={value}" for name, value in pick.params.items())
    return f"{pick.trial}: lr={pick.lr:g}{changed}"


def tuning_flops(cells: Mapping[str, Mapping[int, Record]]) -> float | None:
    """FLOPs of all trials for one task, mean over tasks; None where the row is not tuned."""
    by_task = [next(iter(runs.values())).tuning for runs in cells.values() if runs]
    spent = [float(sum(trial.train_flops for trial in one.trials)) for one in by_task if one is not None]
    return fmean(spent) if spent else None
