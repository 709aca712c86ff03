"""Tuning before a study: every method gets equally many trials, scored on a holdout of train that scores no run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from matekd_bench.events import Sink
from matekd_bench.files.safe_names import inside
from matekd_bench.methods.params import ResolvedMethod
from matekd_bench.results.records import run_record as records
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.plan.grid import Cell, Grid, generator_texts, make_cell_factory, read_task_data
from matekd_bench.study.plan.identity import protocol_id
from matekd_bench.study.plan.trials import SEED, Trial, trials_of, with_rate, with_values
from matekd_bench.tasks.task import TaskData

TRIALS_FOLDER = "tuning"  # in a results folder; it is a results folder itself, and its runs are the trials
VariantAndTask: TypeAlias = tuple[str, str]
TrialCell: TypeAlias = tuple[Trial, Cell]  # a trial, and the run that tries its settings


@dataclass(frozen=True)
class Tuner:
    """The trials of a study: `grid` has all their cells, and `trials` groups them by variant and task."""

    grid: Grid
    store: ResultsStore
    trials: Mapping[VariantAndTask, Sequence[TrialCell]]

    @property
    def todo(self) -> list[Cell]:
        """The trials without a record."""
        return [cell for cell in self.grid.cells if not self.store.has(cell.run_id)]

    def complete(self, cells: Iterable[Cell], study: Grid) -> list[Cell]:
        """Return `cells` of the grid `study` with the settings of their best trials; all trials must be recorded."""
        choices = {key: self._best_trial(trials) for key, trials in self.trials.items()}
        return [study.complete(cell, choices[_key(cell)]) for cell in cells]

    def _best_trial(self, trials: Sequence[TrialCell]) -> records.Tuning:
        """Return the tuning record of one variant on one task, with the number of the best trial.

        Of equal scores the first trial wins. If no trial has a score, the first one, with the given settings, wins.
        """
        outcomes = [_outcome(trial, cell, self.store) for trial, cell in trials]
        scored = [outcome for outcome in outcomes if outcome.score is not None]
        best = max(scored, key=lambda outcome: (outcome.score, -outcome.trial), default=outcomes[0])
        holdout = sum(len(examples) for examples in trials[0][1].data.dev)
        return records.Tuning(chosen=best.trial, holdout_n=holdout, trials=tuple(outcomes))


def make_tuner(grid: Grid, todo: Sequence[Cell], results: Path, sink: Sink) -> Tuner:
    """Make the trials for the runs in `todo`, which belong to `grid`, and cut the holdouts.

    Raises a BenchError if a training set is too small for a holdout, or if a search space does not fit the parameters.
    """
    spec = grid.spec.model_copy(
        update={"eval_on": "holdout", "tune": None, "keep": "none", "also": None, "also_dir": None}
    )
    keys = dict.fromkeys(_key(cell) for cell in todo)
    tasks = {cell.data.task.name: cell for cell in todo}
    data = {name: read_task_data(cell.data.task, spec, sink) for name, cell in tasks.items()}
    if any(cell.recipe.generator_texts for cell in todo):  # without the rows of the holdout
        texts = generator_texts(spec, grid.host, data, sink)
        tasks = {
            name: replace(cell, recipe=replace(cell.recipe, generator_texts=texts))
            for name, cell in tasks.items()
        }
    methods = {method.variant: method for method in grid.methods}
    trial_grid = replace(grid, spec=spec, data=data, cells=(), spaces={}, seed_plan=None)
    trials = {
        (variant, task): [
            (trial, _trial_cell(trial_grid, methods[variant], tasks[task], data[task], trial, count))
            for trial in trials_of(grid.spaces[variant], count)
        ]
        for variant, task in keys
        if (count := grid.spec.tune)
    }
    cells: dict[str, Cell] = {}
    for _, cell in (trial for group in trials.values() for trial in group):
        cells.setdefault(cell.run_id, cell)  # trials of a few values may be the same run
    return Tuner(
        replace(trial_grid, cells=tuple(cells.values())),
        ResultsStore(inside(results, results / TRIALS_FOLDER)),
        trials,
    )


def _trial_cell(
    grid: Grid, method: ResolvedMethod, cell: Cell, data: TaskData, trial: Trial, count: int
) -> Cell:
    """Make the run of one trial.

    It differs from the study's run `cell` in data, seed, learning rate and the parameters of the trial.
    """
    given = grid.spec.training.optimizer.lr
    # Rounded for the tables. The first trial keeps the given learning rate to the last digit.
    spec = with_rate(grid.spec, float(f"{given * trial.rate:.3g}") if trial.number > 1 else given)
    changed_method = with_values(method, trial.params, lambda name: grid.host.method(name).record)
    protocol = protocol_id(spec, cell.recipe, data.source)
    make_cell = make_cell_factory(spec, changed_method, data, cell.recipe, grid.host, protocol, grid.threads)
    return replace(make_cell(SEED), trial=f"trial {trial.number} of {count}")


def _key(cell: Cell) -> VariantAndTask:
    """Return the variant and the task; all seeds of the two share their trials."""
    return cell.job.variant, cell.data.task.name


def _outcome(trial: Trial, cell: Cell, store: ResultsStore) -> records.TrialRecord:
    """Return the record of one trial; raise ResultsError if its run has no record."""
    record = store.read(cell.run_id)
    return records.TrialRecord(
        trial=trial.number,
        run_id=record.run_id,
        status=record.status,
        lr=cell.job.training.optimizer.lr,
        params=dict(trial.params),
        score=record.last_score,
        train_flops=record.compute.train_flops,
        train_seconds=record.compute.train_seconds,
    )
