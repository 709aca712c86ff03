"""What the statistics need besides the scores: the gold labels of dev and each run's answers to its examples."""

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
from matekd_bench.results.stats.example_effects import Gold, Predictions
from matekd_bench.results.stats.weighted_metrics import Values
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.tasks.metrics import METRICS
from matekd_bench.tasks.task import MetricName, Task

AGREEMENT = 1e-6  # between the recorded score and that of the answers; libraries differ in the last digits


@dataclass(frozen=True, eq=False)
class GoldLabels:
    """The dev sets of one task: their splits by name in order, ids, and gold labels with the metrics."""

    splits: tuple[str, ...]
    uids: tuple[tuple[str, ...], ...]
    gold: Gold


@dataclass(frozen=True, eq=False)
class RunAnswers:
    """What one run answered at the last evaluation, in the order of the gold labels, and its cross-fitted score."""

    gold: Gold
    last: Predictions
    xfit: float | None


class Evidence:
    """The answers of recorded runs, read from where each run lies.

    Answers count only if they are of the same examples as the labels and give the recorded score; `missing` says
    of each run that was asked for and has none why (run id -> reason).
    """

    def __init__(self, homes: Mapping[str, ResultsStore]) -> None:
        self.missing: dict[str, str] = {}
        self._homes = homes
        self._truths: dict[tuple[str, ...], GoldLabels] = {}
        self._known: dict[tuple[str, ...], RunAnswers | None] = {}

    def answers(self, record: Record, metrics: Sequence[str]) -> RunAnswers | None:
        """The run's answers under the task's `metrics`; None, and a reason in `missing`, where there are none.

        Read once: what a run answered at the last evaluation is kept.
        """
        key = (record.run_id, *metrics)
        if key not in self._known:
            self._known[key] = self._read(record, metrics)
        return self._known[key]

    def _read(self, record: Record, metrics: Sequence[str]) -> RunAnswers | None:
        try:
            truth = self._truth(record, metrics)
            evaluations = (
                [_majority(record, truth)]
                if record.status == "diverged"
                else self._evaluations(record, truth)
            )
            _check_score(record, truth.gold, evaluations[-1])
        except ResultsError as error:
            self.missing[record.run_id] = error.message
            return None
        return RunAnswers(truth.gold, evaluations[-1], xfit(truth.gold, truth.uids, evaluations))

    def xfits(self, records: Sequence[Record], tasks: Mapping[str, Task]) -> dict[str, float]:
        """The cross-fitted score of every run that has one, by run id."""
        found = {run.run_id: self.answers(run, metrics_of([run], tasks)) for run in records if run.task_score}
        return {run_id: one.xfit for run_id, one in found.items() if one is not None and one.xfit is not None}

    def _truth(self, record: Record, metrics: Sequence[str]) -> GoldLabels:
        """The labels that the run was scored on; one object for all runs of a dev set, so that draws are shared."""
        names: list[MetricName] = [name for name in METRICS if name in metrics]
        if len(names) < len(metrics) or not names:
            raise ResultsError(f"metrics {', '.join(metrics) or '(none)'} are not known here.")
        splits = tuple(sorted(name for name in record.data.splits if name != "train"))
        key = (*splits, *(record.data.splits[split].digest for split in splits), *names)
        if key not in self._truths:
            store = self._home(record)
            devsets = [store.read_data(record.data.splits[split].digest) for split in splits]
            gold = Gold(tuple(names), tuple(map(_labels, devsets)))
            self._truths[key] = GoldLabels(splits, tuple(devset.uids for devset in devsets), gold)
        return self._truths[key]

    def _home(self, record: Record) -> ResultsStore:
        try:
            return self._homes[record.run_id]
        except KeyError:
            raise ResultsError("it lies in no results folder.") from None

    def _evaluations(self, record: Record, truth: GoldLabels) -> list[Predictions]:
        """The run's answers at every evaluation, in the order of the labels."""
        if record.predictions is None:
            raise ResultsError("no predictions were recorded.")
        file = self._home(record).read_predictions(record.run_id)
        if file is None or not file.evaluations:
            raise ResultsError("the predictions hold no evaluation.")
        if set(file.uids) != set(truth.splits):
            raise ResultsError(f"the predictions are of {', '.join(sorted(file.uids))}.")
        orders = [_order(file, split, uids) for split, uids in zip(truth.splits, truth.uids, strict=True)]
        regression = not record.data.labels
        return [
            tuple(
                _answers(evaluation[split], regression)[order]
                for split, order in zip(truth.splits, orders, strict=True)
            )
            for evaluation in file.evaluations
        ]


def _labels(devset: DevSet) -> Values:
    return np.asarray(devset.labels)


def _order(file: PredictionsFile, split: str, uids: Sequence[str]) -> Values:
    """Where the example of each label stands among the predictions."""
    places = {uid: place for place, uid in enumerate(file.uids[split])}
    if len(places) != len(file.uids[split]) or places.keys() != set(uids):
        raise ResultsError(f"the predictions for {split} are not of the examples that have labels.")
    return np.array([places[uid] for uid in uids], dtype=np.int64)


def _answers(logits: Values, regression: bool) -> Values:
    """Class ids [n], or scores [n], from logits [n, C]."""
    if not np.all(np.isfinite(logits)):
        raise ResultsError("the predictions hold NaN or infinity.")
    return logits[:, 0].astype(np.float64) if regression else logits.argmax(axis=1).astype(np.int16)


def _majority(record: Record, truth: GoldLabels) -> Predictions:
    """What a diverged run is scored as: one class everywhere, the one that gives the recorded score."""
    classes = range(max(1, len(record.data.labels)))
    for answer in classes:
        constant = tuple(np.full(len(labels), answer) for labels in truth.gold.labels)
        if _agrees(record, truth.gold, constant):
            return constant
    raise ResultsError("no class gives the score of a diverged run.")


def _agrees(record: Record, gold: Gold, answers: Predictions) -> bool:
    recorded = record.task_score
    return recorded is not None and abs(gold.score(answers) - recorded.last) <= AGREEMENT


def _check_score(record: Record, gold: Gold, answers: Predictions) -> None:
    if not _agrees(record, gold, answers):
        raise ResultsError("the predictions do not give the recorded score.")
