"""The tracker `mlflow`: an MLflow run per run, on the server MLFLOW_TRACKING_URI or in the results folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from matekd_bench import EvaluationInfo, RunEnd, RunInfo, StudyInfo, hookimpl
from matekd_plugins.trackers.facts import LOSS, PROJECT, SCORE, results, settings

FINAL_STATUS = {"ok": "FINISHED", "collapsed": "FINISHED", "diverged": "FAILED", "failed": "FAILED"}


class MLflow:
    """A tracker that logs through MLflow's client, which leaves the user's active run alone."""

    def __init__(self, folder: Path) -> None:
        uri = os.environ.get("MLFLOW_TRACKING_URI")
        if not uri:
            # MLflow 3.13 and later write files only if this is set.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            uri = (folder / "mlruns").resolve().as_uri()
        from mlflow.tracking import MlflowClient

        self._client: Any = MlflowClient(tracking_uri=uri)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or PROJECT
        experiment = self._client.get_experiment_by_name(name)
        self._experiment = experiment.experiment_id if experiment else self._client.create_experiment(name)
        self._run: str | None = None
        self._study: StudyInfo | None = None

    @hookimpl
    def matekd_bench_study_started(self, study: StudyInfo) -> None:
        """Remember the study for the settings of its runs."""
        self._study = study

    @hookimpl
    def matekd_bench_run_started(self, run: RunInfo) -> None:
        """Create an MLflow run with the run's settings as parameters."""
        self._run = self._client.create_run(self._experiment, run_name=run.run_id).info.run_id
        for name, value in settings(self._study, run).items():
            self._client.log_param(self._run, name, value)

    @hookimpl
    def matekd_bench_evaluated(self, evaluation: EvaluationInfo) -> None:
        """Log score and loss over the budget spent."""
        self._client.log_metric(self._run, SCORE, evaluation.score, step=evaluation.spent)
        if evaluation.loss is not None:
            self._client.log_metric(self._run, LOSS, evaluation.loss, step=evaluation.spent)

    @hookimpl
    def matekd_bench_run_finished(self, end: RunEnd) -> None:
        """Log the results as metrics and the record's status as a tag, and end the run."""
        for name, value in results(end).items():
            self._client.log_metric(self._run, name, value)
        self._client.set_tag(self._run, "status", end.status)
        self._end(FINAL_STATUS.get(end.status, "FINISHED"))

    @hookimpl
    def matekd_bench_study_finished(self) -> None:
        """End a run that was stopped as killed."""
        self._end("KILLED")

    def _end(self, status: str) -> None:
        if self._run is not None:
            self._client.set_terminated(self._run, status)
            self._run = None
