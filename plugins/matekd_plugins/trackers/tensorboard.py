"""The tracker `tensorboard`: a folder of event files per run, with its hyper-parameters and final scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matekd_bench import Evaluated, RunFinished, RunStarted, StudyStarted, hookimpl
from matekd_plugins.trackers.facts import LOSS, SCORE, results, settings


class TensorBoard:
    """A tracker that writes to ``tensorboard/`` in the results folder, where a resumed run keeps its folder."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._summary_writer: Any = SummaryWriter
        self._folder = folder / "tensorboard"
        self._writers: dict[str, Any] = {}  # by run id: several runs may train at a time

    @hookimpl
    def matekd_bench_evaluated(self, evaluation: Evaluated) -> None:
        """Log score and loss over the budget spent."""
        # Hide what an earlier attempt logged from this step on, since a failed run starts over.
        writer = self._writer(evaluation.run_id, purge_step=evaluation.spent)
        writer.add_scalar(SCORE, evaluation.score, evaluation.spent)
        if evaluation.loss is not None:
            writer.add_scalar(LOSS, evaluation.loss, evaluation.spent)
        writer.flush()

    @hookimpl
    def matekd_bench_run_finished(self, study: StudyStarted, run: RunStarted, end: RunFinished) -> None:
        """Log the run's settings and results as a row of TensorBoard's HParams page."""
        writer = self._writer(end.run_id)
        writer.add_hparams({**settings(study, run), "status": end.status}, results(end), run_name=".")
        self._writers.pop(end.run_id).close()

    def _writer(self, run_id: str, purge_step: int | None = None) -> Any:
        """Return the run's writer; open its folder if it has none yet."""
        if run_id not in self._writers:
            folder = str(self._folder / run_id)
            self._writers[run_id] = self._summary_writer(folder, purge_step=purge_step)
        return self._writers[run_id]

    @hookimpl
    def matekd_bench_study_finished(self) -> None:
        """Close the files of interrupted runs."""
        while self._writers:
            self._writers.popitem()[1].close()
