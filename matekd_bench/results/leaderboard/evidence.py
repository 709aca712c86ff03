"""Reads the data that a table needs besides records: gold labels of dev, predictions, and parameters from presets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np

from matekd_bench.errors import ResultsError
from matekd_bench.results.leaderboard.task_columns import metrics_of
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.records.set_records import answers_name
from matekd_bench.results.stats.early_stopping import xfit
from matekd_bench.results.stats.example_scores import Answers, Gold
from matekd_bench.results.store.answers import (
    SCORE_TOLERANCE,
    DevLabels,
    Logits,
    answers_of,
    check_has_predictions,
    dev_digests,
    read_labels,
    read_logits,
)
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.tasks.library_metric import library_metrics
from matekd_bench.tasks.metrics import METRICS
from matekd_bench.tasks.task import MetricName, Task


@dataclass(frozen=True, eq=False)
class GoldLabels:
    """The gold labels of one task's dev splits, and the same labels with the task's metrics."""

    dev: DevLabels
    gold: Gold


@dataclass(frozen=True, eq=False)
class RunAnswers:
    """The predictions of one run at its last evaluation, in the order of the gold labels.

    `dev` names the examples and `gold` holds their labels with the task's metrics. `logits` are those that the
    predictions come from, None for a diverged run. `score_xfit` reads the other evaluations and computes `xfit`.
    """

    dev: DevLabels
    gold: Gold
    last: Answers
    logits: Logits | None
    score_xfit: Callable[[], float | None] = field(repr=False)

    @cached_property
    def xfit(self) -> float | None:
        """The cross-fitted score, None if dev is too small for one. Computed on first access."""
        return self.score_xfit()


class Evidence:
    """The predictions of recorded runs, read from each run's results folder.

    Predictions are used only if they cover the same examples as the labels and give the recorded score.
    """

    def __init__(self, stores: Mapping[str, ResultsStore]) -> None:
        self._stores = stores  # by run id
        self._gold_labels: dict[tuple[object, ...], GoldLabels] = {}
        self._answers: dict[
            tuple[str, ...], RunAnswers | str
        ] = {}  # by name and metrics; a text says why not

    def answers(self, record: Record, metrics: Sequence[str]) -> RunAnswers | None:
        """Return the run's predictions, scored with the task's `metrics`; None if they are not usable."""
        found = self._read_once(record, metrics)
        return None if isinstance(found, str) else found

    def why_missing(self, record: Record, metrics: Sequence[str]) -> str | None:
        """Return the reason why `answers` returns None; None if it returns the run's predictions."""
        found = self._read_once(record, metrics)
        return found if isinstance(found, str) else None

    def _read_once(self, record: Record, metrics: Sequence[str]) -> RunAnswers | str:
        key = (answers_name(record), *metrics)
        if key not in self._answers:
            self._answers[key] = self._read_answers(record, metrics)
        return self._answers[key]

    def _read_answers(self, record: Record, metrics: Sequence[str]) -> RunAnswers | str:
        try:
            labels = self._read_gold_labels(record, metrics)
            diverged = record.status == "diverged"
            logits = None if diverged else self._read_logits(record, labels, last_only=True)[0]
            last = _constant_predictions(record, labels) if logits is None else answers_of(logits, record)
            _check_score(record, labels.gold, last)
        except ResultsError as error:
            return error.message
        return RunAnswers(
            labels.dev, labels.gold, last, logits, partial(self._score_xfit, record, labels, last)
        )

    def _score_xfit(self, record: Record, labels: GoldLabels, last: Answers) -> float | None:
        """Compute the cross-fitted score from all evaluations; None also if an earlier one is damaged."""
        evaluations = [last]
        if record.status != "diverged":
            try:
                evaluations = [answers_of(logits, record) for logits in self._read_logits(record, labels)]
            except ResultsError:
                return None
        return xfit(labels.gold, labels.dev.uids, evaluations)

    def xfits(self, records: Sequence[Record], tasks: Mapping[str, Task]) -> dict[str, float]:
        """Return the cross-fitted score of every run that has one, by run id."""
        answers = {
            run.run_id: self.answers(run, metrics_of([run], tasks)) for run in records if run.task_score
        }
        return {
            run_id: answer.xfit
            for run_id, answer in answers.items()
            if answer is not None and answer.xfit is not None
        }

    def settings(self, record: Record) -> dict[str, Any]:
        """Return the settings of the run's study; empty if they cannot be read."""
        try:
            return self._store_of(record).read_study(record.run_id)
        except ResultsError:
            return {}

    def preset_params(self, record: Record) -> dict[str, str]:
        """Return the parameters of methods that the preset of the run's study set, by METHOD.PARAMETER.

        Empty if the run has no readable settings: its method then keeps its full name.
        """
        study = self.settings(record)
        sets, by_user = study.get("sets"), study.get("set_by_user")
        if not isinstance(sets, dict) or not isinstance(by_user, list):
            return {}
        return {key: str(value) for key, value in sets.items() if key not in by_user}

    def _read_gold_labels(self, record: Record, metrics: Sequence[str]) -> GoldLabels:
        """Return the labels that the run was scored on.

        All runs of one dev set get the same object.
        """
        names: list[MetricName] = [name for name in METRICS if name in metrics]
        if foreign := library_metrics(metrics):
            raise ResultsError(f"'{foreign[0]}' is not computed example by example.")
        if len(names) < len(metrics) or not names:
            raise ResultsError(f"metrics {', '.join(metrics) or '(none)'} are unknown to this version.")
        key = (*dev_digests(record).items(), *names)
        if key not in self._gold_labels:
            dev = read_labels(record, self._store_of(record))
            self._gold_labels[key] = GoldLabels(dev, Gold(tuple(names), dev.labels))
        return self._gold_labels[key]

    def _read_logits(self, record: Record, labels: GoldLabels, *, last_only: bool = False) -> list[Logits]:
        check_has_predictions(record)
        return read_logits(record, self._store_of(record), labels.dev, last_only=last_only)

    def _store_of(self, record: Record) -> ResultsStore:
        try:
            return self._stores[record.run_id]
        except KeyError:
            raise ResultsError("it is in no results folder.") from None


def _constant_predictions(record: Record, labels: GoldLabels) -> Answers:
    """Return the predictions of a diverged run: for every example, the one class that gives the recorded score."""
    classes = range(max(1, len(record.data.labels)))
    for class_id in classes:
        constant = tuple(np.full(len(split), class_id) for split in labels.gold.labels)
        if _gives_recorded_score(record, labels.gold, constant):
            return constant
    raise ResultsError("no class gives the score of a diverged run.")


def _gives_recorded_score(record: Record, gold: Gold, predictions: Answers) -> bool:
    recorded = record.task_score
    return recorded is not None and abs(gold.score(predictions) - recorded.last) <= SCORE_TOLERANCE


def _check_score(record: Record, gold: Gold, predictions: Answers) -> None:
    if not _gives_recorded_score(record, gold, predictions):
        raise ResultsError("the score of the predictions is not the recorded one.")
