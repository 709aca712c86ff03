"""The tracker `wandb`: a Weights & Biases run per run, under the same id, so that a resumed run continues."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from matekd_bench import Evaluated, RunFinished, RunStarted, StudyStarted, hookimpl
from matekd_plugins.trackers.facts import LOSS, PROJECT, SCORE, results, settings


class WandB:
    """A tracker that logs to project WANDB_PROJECT; WANDB_MODE=offline keeps everything in the results folder."""

    def __init__(self, folder: Path) -> None:
        import wandb

        self._wandb: Any = wandb
        self._folder = folder
        self._runs: dict[str, Any] = {}  # by run id: several runs may train at a time

    @hookimpl
    def matekd_bench_run_started(self, study: StudyStarted, run: RunStarted) -> None:
        """Start a W&B run with the run's settings as its configuration."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._runs[run.run_id] = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            id=run.run_id,
            name=run.run_id,
            group=run.task,
            config=settings(study, run),
            dir=str(self._folder),
            resume="allow",
            reinit="create_new",  # leaves the W&B runs of other runs open
            settings=self._wandb.Settings(console="off"),  # the output of the study belongs to no single run
        )

    @hookimpl
    def matekd_bench_evaluated(self, evaluation: Evaluated) -> None:
        """Log score and loss over the budget spent."""
        measured = {SCORE: evaluation.score} | ({} if evaluation.loss is None else {LOSS: evaluation.loss})
        self._runs[evaluation.run_id].log(measured, step=evaluation.spent)

    @hookimpl
    def matekd_bench_run_finished(self, end: RunFinished) -> None:
        """Put the results into the run's summary and end it."""
        run = self._runs.pop(end.run_id)
        run.summary.update({**results(end), "status": end.status})
        run.finish(exit_code=0 if end.status in ("ok", "collapsed") else 1)

    @hookimpl
    def matekd_bench_study_finished(self) -> None:
        """End interrupted runs as failed."""
        while self._runs:
            self._runs.popitem()[1].finish(exit_code=1)
