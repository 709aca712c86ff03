"""The tracker `tensorboard`: a folder of event files per run, with its hyper-parameters and final scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matekd_bench import EvaluationInfo, RunEnd, RunInfo, StudyInfo, hookimpl
from matekd_plugins.trackers.facts import LOSS, SCORE, results, settings


class TensorBoard:
    """A tracker that writes to ``tensorboard/`` in the results folder; a resumed run continues in its own folder."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._summary_writer: Any = SummaryWriter
        self._folder = folder / "tensorboard"
        self._writer: Any = None
        self._study: StudyInfo | None = None

    @hookimpl
    def matekd_bench_study_started(self, study: StudyInfo) -> None:
        """Remember the study for the settings of its runs."""
        self._study = study

    @hookimpl
    def matekd_bench_run_started(self, run: RunInfo) -> None:
        """Open the run's folder."""
        self._writer = self._summary_writer(str(self._folder / run.run_id))

    @hookimpl
    def matekd_bench_evaluated(self, evaluation: EvaluationInfo) -> None:
        """Log score and loss over the budget spent."""
        self._writer.add_scalar(SCORE, evaluation.score, evaluation.spent)
        if evaluation.loss is not None:
            self._writer.add_scalar(LOSS, evaluation.loss, evaluation.spent)
        self._writer.flush()

    @hookimpl
    def matekd_bench_run_finished(self, run: RunInfo, end: RunEnd) -> None:
        """Log the run's settings and results as a row of TensorBoard's HParams page."""
        hyper_parameters = {**settings(self._study, run), "status": end.status}
        self._writer.add_hparams(hyper_parameters, results(end), run_name=".")
        self._close()

    @hookimpl
    def matekd_bench_study_finished(self) -> None:
        """Close the file of a run that was stopped."""
        self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
