"""The cells of a study and of its trials, for a process that is told by their ids what to train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matekd_bench.distill.training.ddp import ALONE, Ranks
from matekd_bench.plugins.host import Host
from matekd_bench.results.records.run_record import Tuning
from matekd_bench.study.plan.grid import Cell, Grid, make_grid
from matekd_bench.study.plan.tuning import FOLDER, Tuner, make_tuner
from matekd_bench.study.spec.request import StudyRequest
from matekd_bench.study.spec.study_spec import StudySpec


@dataclass(frozen=True)
class GridLookup:
    """A study's grid and, where it tunes, that of its trials."""

    grid: Grid
    tuner: Tuner | None

    @classmethod
    def of(
        cls,
        spec: StudySpec,
        request: StudyRequest,
        host: Host,
        stage: Callable[[str], None],
        ranks: Ranks = ALONE,
    ) -> GridLookup:
        """As the process that leads the study makes them."""
        grid = make_grid(spec, request, host, stage, ranks)
        tuner = make_tuner(grid, grid.cells, request.results, host, stage) if spec.tune else None
        return cls(grid, tuner)

    def find(self, run_id: str, tuning: Tuning | None = None) -> tuple[Grid, Cell]:
        """The cell of a run or trial, with the settings that its trials chose, and the grid that it belongs to."""
        for grid in self._grids:
            for cell in grid.cells:
                if cell.run_id == run_id:
                    if self.tuner is None or tuning is None:
                        return grid, cell
                    return grid, self.tuner.settle(cell, tuning)
        raise RuntimeError(
            f"run '{run_id}' is not in the grid that this process makes: versions, data or models differ here"
        )

    def root(self, run_id: str, results: Path) -> Path:
        """The results folder of a run of the study in `results`, or of a trial."""
        return results if self.find(run_id)[0] is self.grid else results / FOLDER

    @property
    def _grids(self) -> list[Grid]:
        return [self.grid, *([] if self.tuner is None else [self.tuner.grid])]
