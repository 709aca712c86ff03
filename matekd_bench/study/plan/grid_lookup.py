"""Lookup of cells by run id, for a process that another process tells what to train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matekd_bench.distill.training.ddp import ALONE, Ranks
from matekd_bench.plugins.host import Host
from matekd_bench.results.records.run_record import Tuning
from matekd_bench.study.plan.grid import Cell, Grid, make_grid
from matekd_bench.study.plan.tuning import TRIALS_FOLDER, Tuner, make_tuner
from matekd_bench.study.spec.request import StudyRequest
from matekd_bench.study.spec.study_spec import StudySpec


@dataclass(frozen=True)
class GridLookup:
    """The grid of a study and, if it tunes, the grid of its trials."""

    grid: Grid
    tuner: Tuner | None

    @classmethod
    def build(
        cls,
        spec: StudySpec,
        request: StudyRequest,
        host: Host,
        stage: Callable[[str], None],
        ranks: Ranks = ALONE,
    ) -> GridLookup:
        """Make both grids from the same request as the process that leads the study, so that run ids agree."""
        grid = make_grid(spec, request, host, stage, ranks)
        tuner = make_tuner(grid, grid.cells, request.results, host, stage) if spec.tune else None
        return cls(grid, tuner)

    def find(self, run_id: str, tuning: Tuning | None = None) -> tuple[Grid, Cell]:
        """Return the grid and the cell of a run or a trial.

        `tuning` says which trial was chosen for the run; its settings are put into the cell. Raises RuntimeError for
        an unknown run id.
        """
        for grid in self._grids:
            for cell in grid.cells:
                if cell.run_id == run_id:
                    if self.tuner is None or tuning is None:
                        return grid, cell
                    return grid, self.tuner.apply_choice(cell, tuning)
        raise RuntimeError(
            f"run '{run_id}' is not in the grid that this process makes: versions, data or models differ here"
        )

    def results_folder(self, run_id: str, results: Path) -> Path:
        """Return the results folder for a run or a trial of the study in `results`."""
        return results if self.find(run_id)[0] is self.grid else results / TRIALS_FOLDER

    @property
    def _grids(self) -> list[Grid]:
        return [self.grid, *([] if self.tuner is None else [self.tuner.grid])]
