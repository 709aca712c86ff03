"""MLflow: a run for each run, on the server that MLFLOW_TRACKING_URI names or in files beside the results."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from matekd_bench import EvaluationInfo, RunEnd, RunInfo, StudyInfo, hookimpl
from matekd_plugins.trackers.facts import LOSS, PROJECT, SCORE, results, settings

ENDS = {"ok": "FINISHED", "collapsed": "FINISHED", "diverged": "FAILED", "failed": "FAILED"}


class MLflow:
    """Logs through MLflow's client, whose active run, if the user has one, is left alone."""

    def __init__(self, folder: Path) -> None:
        place = os.environ.get("MLFLOW_TRACKING_URI")
        if not place:
            # Versions from 3.13 on write files only where this is set.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            place = (folder / "mlruns").resolve().as_uri()
        from mlflow.tracking import MlflowClient

        self._client: Any = MlflowClient(tracking_uri=place)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or PROJECT
        known = self._client.get_experiment_by_name(name)
        self._experiment = known.experiment_id if known else self._client.create_experiment(name)
        self._run: str | None = None
        self._study: StudyInfo | None = None

    @hookimpl
    def matekd_bench_study_started(self, study: StudyInfo) -> None:
        """Kept for the runs' settings."""
        self._study = study

    @hookimpl
    def matekd_bench_run_started(self, run: RunInfo) -> None:
        """A run with its settings as parameters."""
        self._run = self._client.create_run(self._experiment, run_name=run.run_id).info.run_id
        for name, value in settings(self._study, run).items():
            self._client.log_param(self._run, name, value)

    @hookimpl
    def matekd_bench_evaluated(self, evaluation: EvaluationInfo) -> None:
        """Score and loss, over what was spent of the budget."""
        self._client.log_metric(self._run, SCORE, evaluation.score, step=evaluation.spent)
        if evaluation.loss is not None:
            self._client.log_metric(self._run, LOSS, evaluation.loss, step=evaluation.spent)

    @hookimpl
    def matekd_bench_run_finished(self, end: RunEnd) -> None:
        """What came out, and the record's status as a tag."""
        for name, value in results(end).items():
            self._client.log_metric(self._run, name, value)
        self._client.set_tag(self._run, "status", end.status)
        self._end(ENDS.get(end.status, "FINISHED"))

    @hookimpl
    def matekd_bench_study_finished(self) -> None:
        """A run that was stopped."""
        self._end("KILLED")

    def _end(self, status: str) -> None:
        if self._run is not None:
            self._client.set_terminated(self._run, status)
            self._run = None
