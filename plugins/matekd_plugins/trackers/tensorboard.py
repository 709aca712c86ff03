"""The tracker `tensorboard`: a folder of event files per run, with its hyper-parameters and final scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matekd_bench import Evaluated, RunFinished, RunStarted, StudyStarted, hookimpl
from matekd_plugins.trackers.facts import LOSS, SCORE, results, settings


class TensorBoard:
    """A tracker that writes to ``tensorboard/`` in the results folder; a resumed run continues in its own folder."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._summary_writer: Any = SummaryWriter
        self._folder = folder / "tensorboard"
        self._writers: dict[str, Any] = {}  # by run id: several runs may train at a time

    @hookimpl
    def matekd_bench_run_started(self, run: RunStarted) -> None:
        """Open the run's folder."""
        self._writers[run.run_id] = self._summary_writer(str(self._folder / run.run_id))

    @hookimpl
    def matekd_bench_evaluated(self, evaluation: Evaluated) -> None:
        """Log score and loss over the budget spent."""
        writer = self._writers[evaluation.run_id]
        writer.add_scalar(SCORE, evaluation.score, evaluation.spent)
        if evaluation.loss is not None:
            writer.add_scalar(LOSS, evaluation.loss, evaluation.spent)
        writer.flush()

    @hookimpl
    def matekd_bench_run_finished(self, study: StudyStarted, run: RunStarted, end: RunFinished) -> None:
        """Log the run's settings and results as a row of TensorBoard's HParams page."""
        writer = self._writers.pop(end.run_id)
        writer.add_hparams({**settings(study, run), "status": end.status}, results(end), run_name=".")
        writer.close()

    @hookimpl
    def matekd_bench_study_finished(self) -> None:
        """Close the files of runs that were stopped."""
        while self._writers:
            self._writers.popitem()[1].close()
