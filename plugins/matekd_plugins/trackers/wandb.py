"""Weights & Biases: a run for each run, under the same id, so that an interrupted one goes on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from matekd_bench import EvaluationInfo, RunEnd, RunInfo, StudyInfo, hookimpl
from matekd_plugins.trackers.facts import LOSS, PROJECT, SCORE, results, settings


class WandB:
    """Logs to the project that WANDB_PROJECT names; WANDB_MODE=offline keeps everything in the results folder."""

    def __init__(self, folder: Path) -> None:
        import wandb

        self._wandb: Any = wandb
        self._folder = folder
        self._run: Any = None
        self._study: StudyInfo | None = None

    @hookimpl
    def matekd_bench_study_started(self, study: StudyInfo) -> None:
        """Kept for the runs' settings."""
        self._study = study

    @hookimpl
    def matekd_bench_run_started(self, run: RunInfo) -> None:
        """A run with its settings as its configuration."""
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
        """Score and loss, over what was spent of the budget."""
        measured = {SCORE: evaluation.score} | ({} if evaluation.loss is None else {LOSS: evaluation.loss})
        self._run.log(measured, step=evaluation.spent)

    @hookimpl
    def matekd_bench_run_finished(self, end: RunEnd) -> None:
        """What came out, in the run's summary."""
        self._run.summary.update({**results(end), "status": end.status})
        self._end(0 if end.status in ("ok", "collapsed") else 1)

    @hookimpl
    def matekd_bench_study_finished(self) -> None:
        """A run that was stopped."""
        self._end(1)

    def _end(self, code: int) -> None:
        if self._run is not None:
            self._run.finish(exit_code=code)
            self._run = None
