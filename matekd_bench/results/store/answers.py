"""The answers of recorded runs on dev, in the order of the gold labels, and those labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from matekd_bench.errors import ResultsError
from matekd_bench.results.records.predictions import Predictions
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.stats.example_scores import Predictions as Answers
from matekd_bench.results.stats.leave_one_out import Values
from matekd_bench.results.store.results_store import ResultsStore


@dataclass(frozen=True, eq=False)
class DevLabels:
    """The labels [n] of each dev split of a task, in the order of `uids`; `splits` are the names, sorted."""

    splits: tuple[str, ...]
    uids: tuple[tuple[str, ...], ...]
    labels: tuple[Values, ...]


def dev_digests(record: Record) -> dict[str, str]:
    """Return the digests of the splits that a run was scored on, sorted by name."""
    return {name: info.digest for name, info in sorted(record.data.splits.items()) if name != "train"}


def read_labels(record: Record, store: ResultsStore) -> DevLabels:
    """Read the labels that a run was scored on. Raises ResultsError if they are missing or damaged."""
    digests = dev_digests(record)
    devsets = [store.read_data(digest) for digest in digests.values()]
    labels = tuple(np.asarray(devset.labels) for devset in devsets)
    return DevLabels(tuple(digests), tuple(devset.uids for devset in devsets), labels)


def read_answers(record: Record, store: ResultsStore, labels: DevLabels) -> list[Answers]:
    """Read a run's answers at every evaluation: class ids or scores [n] for each split, in the order of the labels.

    Raises ResultsError if there are none, if they are not of the examples that have labels, or are not finite.
    """
    check_has_predictions(record)
    file = store.read_predictions(record.run_id)
    if file is None or not file.evaluations:
        raise ResultsError("the predictions hold no evaluation.")
    if set(file.uids) != set(labels.splits):
        raise ResultsError(f"the predictions are of {', '.join(sorted(file.uids))}.")
    orders = [_label_order(file, split, uids) for split, uids in zip(labels.splits, labels.uids, strict=True)]
    regression = not record.data.labels
    return [
        tuple(
            _predict(evaluation[split], regression)[order]
            for split, order in zip(labels.splits, orders, strict=True)
        )
        for evaluation in file.evaluations
    ]


def check_has_predictions(record: Record) -> None:
    """Raise ResultsError if a run recorded no predictions."""
    if record.predictions is None:
        raise ResultsError("no predictions were recorded.")


def _label_order(file: Predictions, split: str, uids: Sequence[str]) -> Values:
    """Return the index of each labeled example among the predictions, as int64 [n]."""
    indices = {uid: index for index, uid in enumerate(file.uids[split])}
    if len(indices) != len(file.uids[split]) or indices.keys() != set(uids):
        raise ResultsError(f"the predictions for {split} are not of the examples that have labels.")
    return np.array([indices[uid] for uid in uids], dtype=np.int64)


def _predict(logits: Values, regression: bool) -> Values:
    """Return class ids [n], or scores [n] for regression, from logits [n, C]."""
    if not logits.size or not np.all(np.isfinite(logits)):
        raise ResultsError("the predictions hold NaN or infinity.")
    return logits[:, 0].astype(np.float64) if regression else logits.argmax(axis=1).astype(np.int16)
