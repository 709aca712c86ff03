"""The tracker `mlflow`: an MLflow run per run, on the server MLFLOW_TRACKING_URI or in the results folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from matekd_bench import Evaluated, RunFinished, RunStarted, StudyStarted, hookimpl
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
        self._runs: dict[str, str] = {}  # MLflow's id by run id: several runs may train at a time

    @hookimpl
    def matekd_bench_run_started(self, study: StudyStarted, run: RunStarted) -> None:
        """Create an MLflow run with the run's settings as parameters."""
        created = self._client.create_run(self._experiment, run_name=run.run_id).info.run_id
        self._runs[run.run_id] = created
        for name, value in settings(study, run).items():
            self._client.log_param(created, name, value)

    @hookimpl
    def matekd_bench_evaluated(self, evaluation: Evaluated) -> None:
        """Log score and loss over the budget spent."""
        run = self._runs[evaluation.run_id]
        self._client.log_metric(run, SCORE, evaluation.score, step=evaluation.spent)
        if evaluation.loss is not None:
            self._client.log_metric(run, LOSS, evaluation.loss, step=evaluation.spent)

    @hookimpl
    def matekd_bench_run_finished(self, end: RunFinished) -> None:
        """Log the results as metrics and the record's status as a tag, and end the run."""
        run = self._runs.pop(end.run_id)
        for name, value in results(end).items():
            self._client.log_metric(run, name, value)
        self._client.set_tag(run, "status", end.status)
        self._client.set_terminated(run, FINAL_STATUS.get(end.status, "FINISHED"))

    @hookimpl
    def matekd_bench_study_finished(self) -> None:
        """End interrupted runs with the status KILLED."""
        while self._runs:
            self._client.set_terminated(self._runs.popitem()[1], "KILLED")
