"""Reads what the statistics need besides the scores: gold labels of dev and the predictions of each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from matekd_bench.errors import ResultsError
from matekd_bench.results.leaderboard.task_columns import metrics_of
from matekd_bench.results.records.dev_set import DevSet
from matekd_bench.results.records.predictions import Predictions as PredictionsFile
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.stats.early_stopping import xfit
from matekd_bench.results.stats.example_scores import Gold, Predictions
from matekd_bench.results.stats.weighted_metrics import Values
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.tasks.metrics import METRICS
from matekd_bench.tasks.task import MetricName, Task

SCORE_TOLERANCE = 1e-6  # recorded score against score of the predictions; libraries differ in the last digits


@dataclass(frozen=True, eq=False)
class GoldLabels:
    """The gold labels of one task's dev splits.

    `splits` are the names of the splits, sorted. `uids` are the example ids of each split. `gold` holds the labels in
    the same order, and the metrics.
    """

    splits: tuple[str, ...]
    uids: tuple[tuple[str, ...], ...]
    gold: Gold


@dataclass(frozen=True, eq=False)
class RunAnswers:
    """The predictions of one run at its last evaluation, in the order of the gold labels.

    `xfit` is the cross-fitted score, None if dev is too small for one.
    """

    gold: Gold
    last: Predictions
    xfit: float | None


class Evidence:
    """The predictions of recorded runs, read from each run's results folder.

    Predictions are used only if they cover the same examples as the labels and give the recorded score. `missing`
    maps the id of each requested run without usable predictions to the reason.
    """

    def __init__(self, stores: Mapping[str, ResultsStore]) -> None:
        self.missing: dict[str, str] = {}
        self._stores = stores  # by run id
        self._gold_labels: dict[tuple[str, ...], GoldLabels] = {}
        self._answers: dict[tuple[str, ...], RunAnswers | None] = {}

    def answers(self, record: Record, metrics: Sequence[str]) -> RunAnswers | None:
        """Return the run's predictions, scored with the task's `metrics`.

        If there are none, return None and add the reason to `missing`. Each run is read only once.
        """
        key = (record.run_id, *metrics)
        if key not in self._answers:
            self._answers[key] = self._read_answers(record, metrics)
        return self._answers[key]

    def _read_answers(self, record: Record, metrics: Sequence[str]) -> RunAnswers | None:
        try:
            labels = self._read_gold_labels(record, metrics)
            evaluations = (
                [_constant_predictions(record, labels)]
                if record.status == "diverged"
                else self._read_evaluations(record, labels)
            )
            _check_score(record, labels.gold, evaluations[-1])
        except ResultsError as error:
            self.missing[record.run_id] = error.message
            return None
        return RunAnswers(labels.gold, evaluations[-1], xfit(labels.gold, labels.uids, evaluations))

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

    def _read_gold_labels(self, record: Record, metrics: Sequence[str]) -> GoldLabels:
        """Return the labels that the run was scored on.

        All runs of one dev set get the same object, so that they share its bootstrap samples.
        """
        names: list[MetricName] = [name for name in METRICS if name in metrics]
        if len(names) < len(metrics) or not names:
            raise ResultsError(f"metrics {', '.join(metrics) or '(none)'} are not known here.")
        splits = tuple(sorted(name for name in record.data.splits if name != "train"))
        key = (*splits, *(record.data.splits[split].digest for split in splits), *names)
        if key not in self._gold_labels:
            store = self._store_of(record)
            devsets = [store.read_data(record.data.splits[split].digest) for split in splits]
            gold = Gold(tuple(names), tuple(map(_label_array, devsets)))
            self._gold_labels[key] = GoldLabels(splits, tuple(devset.uids for devset in devsets), gold)
        return self._gold_labels[key]

    def _store_of(self, record: Record) -> ResultsStore:
        try:
            return self._stores[record.run_id]
        except KeyError:
            raise ResultsError("it lies in no results folder.") from None

    def _read_evaluations(self, record: Record, labels: GoldLabels) -> list[Predictions]:
        """Read the run's predictions at every evaluation, in the order of the labels."""
        if record.predictions is None:
            raise ResultsError("no predictions were recorded.")
        file = self._store_of(record).read_predictions(record.run_id)
        if file is None or not file.evaluations:
            raise ResultsError("the predictions hold no evaluation.")
        if set(file.uids) != set(labels.splits):
            raise ResultsError(f"the predictions are of {', '.join(sorted(file.uids))}.")
        orders = [
            _label_order(file, split, uids) for split, uids in zip(labels.splits, labels.uids, strict=True)
        ]
        regression = not record.data.labels
        return [
            tuple(
                _predict(evaluation[split], regression)[order]
                for split, order in zip(labels.splits, orders, strict=True)
            )
            for evaluation in file.evaluations
        ]


def _label_array(devset: DevSet) -> Values:
    return np.asarray(devset.labels)


def _label_order(file: PredictionsFile, split: str, uids: Sequence[str]) -> Values:
    """Return the index of each labeled example among the predictions, as int64 [n]."""
    indices = {uid: index for index, uid in enumerate(file.uids[split])}
    if len(indices) != len(file.uids[split]) or indices.keys() != set(uids):
        raise ResultsError(f"the predictions for {split} are not of the examples that have labels.")
    return np.array([indices[uid] for uid in uids], dtype=np.int64)


def _predict(logits: Values, regression: bool) -> Values:
    """Return class ids [n], or scores [n] for regression, from logits [n, C]."""
    if not np.all(np.isfinite(logits)):
        raise ResultsError("the predictions hold NaN or infinity.")
    return logits[:, 0].astype(np.float64) if regression else logits.argmax(axis=1).astype(np.int16)


def _constant_predictions(record: Record, labels: GoldLabels) -> Predictions:
    """Return the predictions of a diverged run: the one class for every example that gives the recorded score."""
    classes = range(max(1, len(record.data.labels)))
    for class_id in classes:
        constant = tuple(np.full(len(split), class_id) for split in labels.gold.labels)
        if _gives_recorded_score(record, labels.gold, constant):
            return constant
    raise ResultsError("no class gives the score of a diverged run.")


def _gives_recorded_score(record: Record, gold: Gold, predictions: Predictions) -> bool:
    recorded = record.task_score
    return recorded is not None and abs(gold.score(predictions) - recorded.last) <= SCORE_TOLERANCE


def _check_score(record: Record, gold: Gold, predictions: Predictions) -> None:
    if not _gives_recorded_score(record, gold, predictions):
        raise ResultsError("the predictions do not give the recorded score.")
