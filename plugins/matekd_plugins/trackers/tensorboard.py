"""TensorBoard: a folder of event files for each run, with its hyper-parameters and final scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matekd_bench import EvaluationInfo, RunEnd, RunInfo, StudyInfo, hookimpl
from matekd_plugins.trackers.facts import LOSS, SCORE, results, settings


class TensorBoard:
    """Writes below ``tensorboard/`` in the results folder; an interrupted run goes on in its own folder."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._open: Any = SummaryWriter
        self._folder = folder / "tensorboard"
        self._writer: Any = None
        self._study: StudyInfo | None = None

    @hookimpl
    def matekd_bench_study_started(self, study: StudyInfo) -> None:
        """Kept for the runs' settings."""
        self._study = study

    @hookimpl
    def matekd_bench_run_started(self, run: RunInfo) -> None:
        """A folder for the run."""
        self._writer = self._open(str(self._folder / run.run_id))

    @hookimpl
    def matekd_bench_evaluated(self, evaluation: EvaluationInfo) -> None:
        """Score and loss, over what was spent of the budget."""
        self._writer.add_scalar(SCORE, evaluation.score, evaluation.spent)
        if evaluation.loss is not None:
            self._writer.add_scalar(LOSS, evaluation.loss, evaluation.spent)
        self._writer.flush()

    @hookimpl
    def matekd_bench_run_finished(self, run: RunInfo, end: RunEnd) -> None:
        """A row of the page of hyper-parameters."""
        described = {**settings(self._study, run), "status": end.status}
        self._writer.add_hparams(described, results(end), run_name=".")
        self._close()

    @hookimpl
    def matekd_bench_study_finished(self) -> None:
        """The file of a run that was stopped."""
        self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
