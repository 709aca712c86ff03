"""Recomputes the scores of recorded runs from their predictions and the labels, and names disagreements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from matekd_bench.errors import ResultsError
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.records.set_records import SetRecord, set_records
from matekd_bench.results.stats.example_scores import Answers
from matekd_bench.results.store.answers import (
    SCORE_TOLERANCE,
    DevLabels,
    check_has_predictions,
    dev_digests,
    read_answers,
    read_labels,
)
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.tasks.library_metric import library_metrics
from matekd_bench.tasks.metrics import METRICS, is_constant

Scores = Mapping[tuple[str, str], float]  # (split, metric) -> value


@dataclass
class Verification:
    """The result of recomputing the scores of runs.

    `disagreeing` and `unverifiable` map run ids to reasons: a number that the predictions do not give, or what is
    missing. `verified` counts the others.
    """

    verified: int = 0
    disagreeing: dict[str, str] = field(default_factory=dict)
    unverifiable: dict[str, str] = field(default_factory=dict)


class Verifier:
    """A verifier of runs, which reads the labels of each dev set once.

    `metrics` are those of the tasks that are installed, by name; the metrics of other tasks are taken from the record.
    A split's digest covers its texts, which are not recorded, so it is not verified that labels fit the data.
    """

    def __init__(self, metrics: Mapping[str, Sequence[str]] = MappingProxyType({})) -> None:
        self.result = Verification()
        self._metrics = metrics
        self._labels: dict[tuple[ResultsStore, str], DevLabels] = {}

    def verify(self, record: Record, store: ResultsStore) -> str | None:
        """Recompute the scores of a run, and return a disagreement; None if there is none or it cannot be told."""
        run_id = record.run_id
        try:
            if record.status == "failed":
                raise ResultsError("it failed and has no score.")
            check_has_predictions(record)
            if foreign := library_metrics(sorted({item.metric for item in record.scores})):
                raise ResultsError(f"'{foreign[0]}' is code of a task file, which verification does not run.")
            labels = self._read_labels(record, store)
        except ResultsError as error:
            self.result.unverifiable[run_id] = error.message
            return None
        try:
            problem = next(self._disagreements(record, store, labels), None)
        except ResultsError as error:
            problem = error.message
        if problem is None:
            self.result.verified += 1
        else:
            self.result.disagreeing[run_id] = problem
        return problem

    def _read_labels(self, record: Record, store: ResultsStore) -> DevLabels:
        key = store, " ".join(dev_digests(record).values())
        if key not in self._labels:
            self._labels[key] = read_labels(record, store)
        return self._labels[key]

    def _disagreements(self, record: Record, store: ResultsStore, labels: DevLabels) -> Iterator[str]:
        """Yield a line for each recorded number that is not the recomputed one."""
        diverged = record.status == "diverged"
        recorded = set() if diverged else {item.metric for item in record.scores}
        metrics = set(self._metrics.get(record.identity.task, recorded))
        if recorded != metrics and not diverged:
            yield f"its metrics are {_listed(recorded)}; those of its task are {_listed(metrics)}."
        elif metrics - set(METRICS):
            yield f"its metrics {_listed(metrics)} are unknown to this version."
        else:
            if metrics:
                yield from _of_majority(record, labels, metrics)
            if diverged:
                yield from _of_diverged_run(record)
            else:
                yield from _of_evaluations(record, labels, read_answers(record, store, labels), metrics)
        for set_record in set_records([record]):
            for problem in self._of_set(set_record, store):
                yield f"{set_record.identity.task}: {problem}"

    def _of_set(self, record: SetRecord, store: ResultsStore) -> Iterator[str]:
        """Check the scores on a further set; library metrics are not computed."""
        metrics = {item.metric for item in record.scores}
        if record.status == "diverged":
            yield from _of_diverged_run(record)
        elif not library_metrics(sorted(metrics)):
            labels = self._read_labels(record, store)
            [answers] = read_answers(record, store, labels)
            scores = _scores(answers, labels, metrics)
            yield from _of_items(record, labels, {"last": scores})
            assert record.task_score is not None  # set_records gives it
            yield from _differs("its score", record.task_score.last, _mean(scores))


def _of_evaluations(
    record: Record, labels: DevLabels, answers: Sequence[Answers], metrics: set[str]
) -> Iterator[str]:
    """Check the scores, the curve and the status of a run that did not diverge."""
    evaluations = [_scores(given, labels, metrics) for given in answers]
    count, best = len(evaluations), record.selection.best_eval or 0
    if not len(record.curve) == record.selection.evals == count or not 1 <= best <= count:
        yield (
            f"its predictions have {count} evaluations, but the record has {record.selection.evals}, a curve of "
            f"{len(record.curve)} points, and evaluation {best} as the best."
        )
        return
    yield from _of_curve(record, [_mean(scores) for scores in evaluations], best)
    yield from _of_items(record, labels, {"last": evaluations[-1], "best_dev": evaluations[best - 1]})
    collapsed = all(map(is_constant, answers[-1]))
    if collapsed != (record.status == "collapsed"):
        yield f"its status is '{record.status}', but its answers are {'' if collapsed else 'not '}all the same."


def _mean(scores: Scores) -> float:
    return float(np.mean(list(scores.values())))


def _scores(answers: Answers, labels: DevLabels, metrics: set[str]) -> Scores:
    pairs = zip(labels.splits, labels.labels, answers, strict=True)
    return {
        (split, name): function(gold, given)
        for split, gold, given in pairs
        for name, function in METRICS.items()
        if name in metrics
    }


def _of_curve(record: Record, curve: Sequence[float], best: int) -> Iterator[str]:
    """Check the scores of the evaluations and of the task."""
    for evaluation, score in zip(record.curve, curve, strict=True):
        yield from _differs(f"the score of evaluation {evaluation.eval}", evaluation.score, score)
    task_score = record.task_score
    assert task_score is not None  # every run but a failed one has it
    yield from _differs("its task score", task_score.last, curve[-1])
    yield from _differs("its best task score", task_score.best_dev, curve[best - 1])
    yield from _differs("its best task score", task_score.best_dev, max(curve))
    yield from _differs("its optimism", task_score.optimism, task_score.best_dev - task_score.last)


def _of_items(record: Record, labels: DevLabels, expected: Mapping[str, Scores]) -> Iterator[str]:
    """Check the metrics of the last and of the best evaluation, on each split."""
    recorded = {(item.selection, item.split, item.metric): item for item in record.scores}
    keys = {(selection, *key) for selection, scores in expected.items() for key in scores}
    if recorded.keys() != keys or len(recorded) != len(record.scores):
        yield "its scores do not match its splits and metrics."
        return
    rows = dict(zip(labels.splits, map(len, labels.uids), strict=True))
    for (selection, split, metric), item in sorted(recorded.items()):
        name = f"its {metric} on {split} ({selection})"
        yield from _differs(name, item.value, expected[selection][split, metric])
        if item.n != rows[split]:
            yield f"{name} is recorded for {item.n} examples, but the split has {rows[split]}."


def _of_majority(record: Record, labels: DevLabels, metrics: set[str]) -> Iterator[str]:
    """Check that the majority class's score is one that a single class gives; it is 0 for a regression."""
    constants = [
        tuple(np.full(len(gold), class_id) for gold in labels.labels)
        for class_id in range(len(record.data.labels))
    ]
    possible = [_mean(_scores(constant, labels, metrics)) for constant in constants] or [0.0]
    majority = record.data.majority_score
    if majority is not None and all(abs(majority - score) > SCORE_TOLERANCE for score in possible):
        yield f"its majority score is recorded as {majority:.6g}, but no class has that score."


def _of_diverged_run(record: Record) -> Iterator[str]:
    """Check that all scores of a diverged run are the majority class's."""
    task_score, majority = record.task_score, record.data.majority_score
    assert task_score is not None  # every run but a failed one has it
    values = (task_score.last, task_score.best_dev, *(item.value for item in record.scores))
    if any(value != majority for value in values):
        yield "it diverged, but its score is not that of the majority class."


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _differs(name: str, recorded: float, computed: float) -> Iterator[str]:
    if abs(recorded - computed) > SCORE_TOLERANCE:
        yield f"{name} is recorded as {recorded:.6g}, but its predictions give {computed:.6g}."
