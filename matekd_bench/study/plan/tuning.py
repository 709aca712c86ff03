"""Tuning before a study: every method gets as many trials on a holdout of train, which no run is scored on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from matekd_bench.distill.student_run import Job
from matekd_bench.methods.params import ResolvedMethod
from matekd_bench.plugins.host import Host
from matekd_bench.results.records import run_record as records
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.plan.grid import Cell, Grid, make_cells, read
from matekd_bench.study.plan.identity import protocol_id
from matekd_bench.study.plan.trials import SEED, Trial, trials_of, with_values
from matekd_bench.tasks.task import TaskData

FOLDER = "tuning"  # within a results folder: a results folder itself, with the trials as its runs
Place: TypeAlias = tuple[str, str]  # variant, task


@dataclass(frozen=True)
class TrialCell:
    """A trial and the run that is to try it."""

    trial: Trial
    cell: Cell


@dataclass(frozen=True)
class Tuner:
    """The trials that the runs to do are waiting for: `grid` holds them, `tried` says which belongs where."""

    grid: Grid
    store: ResultsStore
    tried: Mapping[Place, Sequence[TrialCell]]

    @property
    def todo(self) -> list[Cell]:
        """The trials without a record."""
        return [cell for cell in self.grid.cells if not self.store.has(cell.run_id)]

    def settled(self, cells: Iterable[Cell]) -> list[Cell]:
        """`cells` with the settings that their trials chose; all trials must be recorded."""
        found = {place: self._chosen(tried) for place, tried in self.tried.items()}
        return [_settled(cell, *found[_place(cell)]) for cell in cells]

    def settle(self, cell: Cell, tuning: records.Tuning) -> Cell:
        """The cell with the settings of the trial that another process has chosen."""
        tried = self.tried[_place(cell)]
        return _settled(cell, _job_of(tried, tuning.chosen), tuning)

    def _chosen(self, tried: Sequence[TrialCell]) -> tuple[Job, records.Tuning]:
        """The job of the best trial and what is recorded of all of them."""
        outcomes = [_outcome(one, self.store) for one in tried]
        scored = [one for one in outcomes if one.score is not None]
        best = max(scored, key=lambda one: (one.score, -one.trial), default=outcomes[0])
        holdout = sum(len(examples) for examples in tried[0].cell.data.dev)
        tuning = records.Tuning(chosen=best.trial, holdout_n=holdout, trials=tuple(outcomes))
        return _job_of(tried, best.trial), tuning


def make_tuner(
    grid: Grid, todo: Sequence[Cell], results: Path, host: Host, stage: Callable[[str], None]
) -> Tuner:
    """The trials of the runs in `todo`, which belong to `grid`; the holdouts are cut here.

    Raises a BenchError for a train too small to hold rows out, or a search space that does not fit the parameters.
    """
    spec = grid.spec.model_copy(update={"eval_on": "holdout", "tune": None, "keep": "none"})
    places = dict.fromkeys(_place(cell) for cell in todo)
    tasks = {cell.data.task.name: cell for cell in todo}
    data = {name: read(cell.data.task, spec, stage) for name, cell in tasks.items()}
    methods = {method.variant: method for method in grid.methods}
    trial_grid = replace(grid, spec=spec, data=data, cells=(), spaces={})
    tried = {
        (variant, task): [
            TrialCell(
                trial, _trial_cell(trial_grid, methods[variant], tasks[task], data[task], trial, count, host)
            )
            for trial in trials_of(grid.spaces[variant], count)
        ]
        for variant, task in places
        if (count := grid.spec.tune)
    }
    cells = tuple(one.cell for several in tried.values() for one in several)
    return Tuner(replace(trial_grid, cells=cells), ResultsStore(results / FOLDER), tried)


def _trial_cell(
    grid: Grid, method: ResolvedMethod, cell: Cell, data: TaskData, trial: Trial, count: int, host: Host
) -> Cell:
    """The run of one trial: the study's but for the data, the seed, the learning rate and some parameters."""
    optimizer = grid.spec.training.optimizer
    lr = float(f"{optimizer.lr * trial.rate:.3g}") if trial.number > 1 else optimizer.lr
    changed = {"optimizer": optimizer.model_copy(update={"lr": lr})}
    spec = grid.spec.model_copy(update={"training": grid.spec.training.model_copy(update=changed)})
    tried = with_values(method, trial.params, lambda name: host.method(name).record)
    protocol = protocol_id(spec, cell.recipe, data.source)
    made = make_cells(spec, tried, data, cell.recipe, host, protocol, grid.threads)(SEED)
    return replace(made, trial=f"trial {trial.number} of {count}")


def _job_of(tried: Sequence[TrialCell], number: int) -> Job:
    return next(one.cell.job for one in tried if one.trial.number == number)


def _place(cell: Cell) -> Place:
    return cell.job.variant, cell.data.task.name


def _outcome(tried: TrialCell, store: ResultsStore) -> records.TrialRecord:
    """What is recorded of one trial; ResultsError where it has no record."""
    found = store.read(tried.cell.run_id)
    changed: dict[str, Any] = dict(tried.trial.params)
    return records.TrialRecord(
        trial=tried.trial.number,
        run_id=found.run_id,
        status=found.status,
        lr=tried.cell.job.training.optimizer.lr,
        params=changed,
        score=found.task_score.last if found.task_score else None,
        train_flops=found.compute.train_flops,
        train_seconds=found.compute.train_seconds,
    )


def _settled(cell: Cell, job: Job, tuning: records.Tuning) -> Cell:
    """The cell with a trial's settings: still the study's seed, budget and name."""
    chosen = replace(cell.job, method=job.method, params=job.params, training=job.training)
    return replace(cell, job=chosen, tuning=tuning)
