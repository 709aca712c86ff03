"""The tracker `wandb`: a Weights & Biases run per run, under the same id, so that a resumed run continues."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from matekd_bench import EvaluationInfo, RunEnd, RunInfo, StudyInfo, hookimpl
from matekd_plugins.trackers.facts import LOSS, PROJECT, SCORE, results, settings


class WandB:
    """A tracker that logs to project WANDB_PROJECT; WANDB_MODE=offline keeps everything in the results folder."""

    def __init__(self, folder: Path) -> None:
        import wandb

        self._wandb: Any = wandb
        self._folder = folder
        self._run: Any = None
        self._study: StudyInfo | None = None

    @hookimpl
    def matekd_bench_study_started(self, study: StudyInfo) -> None:
        """Remember the study for the settings of its runs."""
        self._study = study

    @hookimpl
    def matekd_bench_run_started(self, run: RunInfo) -> None:
        """Start a W&B run with the run's settings as its configuration."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._run = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            id=run.run_id,
            name=run.run_id,
            group=run.task,
            config=settings(self._study, run),
            dir=str(self._folder),
            resume="allow",
        )

    @hookimpl
    def matekd_bench_evaluated(self, evaluation: EvaluationInfo) -> None:
        """Log score and loss over the budget spent."""
        measured = {SCORE: evaluation.score} | ({} if evaluation.loss is None else {LOSS: evaluation.loss})
        self._run.log(measured, step=evaluation.spent)

    @hookimpl
    def matekd_bench_run_finished(self, end: RunEnd) -> None:
        """Put the results into the run's summary and end it."""
        self._run.summary.update({**results(end), "status": end.status})
        self._end(0 if end.status in ("ok", "collapsed") else 1)

    @hookimpl
    def matekd_bench_study_finished(self) -> None:
        """End a run that was stopped as failed."""
        self._end(1)

    def _end(self, code: int) -> None:
        if self._run is not None:
            self._run.finish(exit_code=code)
            self._run = None
