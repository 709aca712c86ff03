"""A study as the process that leads it knows it, for tests of what other processes make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matekd_bench.events import Sink
from matekd_bench.plugins.host import Host
from matekd_bench.results.records.run_record import TrialRecord, Tuning
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.placement import SchedulerFactory, make_placement
from matekd_bench.study.execute.study_session import SharedStudy
from matekd_bench.study.plan.grid import Cell, Grid, make_grid
from matekd_bench.study.plan.tuning import Tuner, make_tuner
from matekd_bench.study.spec.request import make_request


@dataclass(frozen=True)
class LedStudy:
    """A study with its grid, the trials if it is tuned, and what it sends to other processes."""

    shared: SharedStudy
    grid: Grid
    tuner: Tuner | None
    store: ResultsStore

    @classmethod
    def of(cls, options: dict[str, Any], plugins: Sequence[Path] = (), command: str = "") -> LedStudy:
        """Plan a study as the pipeline does."""
        host = Host.load(plugins, only_builtin=True)
        placement = make_placement(make_request(options, host, command=command))
        spec, results = placement.request.spec, placement.request.execution.results
        grid = make_grid(spec, placement.device, host)
        tuner = make_tuner(grid, grid.cells, results, Sink()) if spec.tune else None
        shared = SchedulerFactory(placement, host, Interruptions()).shared_study(grid.threads)
        return cls(shared, grid, tuner, ResultsStore(results))

    def choice(self, cell: Cell, number: int) -> Tuning:
        """Return what is recorded of the cell's trials if trial `number` is chosen."""
        assert self.tuner is not None
        trials = tuple(
            TrialRecord(
                trial=trial.number, run_id=cell.run_id, status="ok", params=dict(trial.params),
                lr=cell.job.training.optimizer.lr, score=0.5, train_flops=2**65, train_seconds=0.1,
            )
            for trial, cell in self.tuner.trials[cell.job.variant, cell.data.task.name]
        )  # fmt: skip
        return Tuning(chosen=number, holdout_n=150, trials=trials)
