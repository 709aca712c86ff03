"""The answers of recorded runs on dev, in the order of the gold labels, and those labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from matekd_bench.errors import ResultsError
from matekd_bench.results.records.predictions import Predictions
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.records.set_records import SetRecord
from matekd_bench.results.stats.example_scores import Answers
from matekd_bench.results.stats.leave_one_out import Values
from matekd_bench.results.store.results_store import ResultsStore

SCORE_TOLERANCE = 1e-6  # recorded score against score of the predictions; libraries differ in the last digits
Logits: TypeAlias = tuple[Values, ...]  # one run's logits [n, C] for each dev split


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

    Raises ResultsError like `read_logits`.
    """
    return [answers_of(logits, record) for logits in read_logits(record, store, labels)]


def read_logits(
    record: Record, store: ResultsStore, labels: DevLabels, *, last_only: bool = False
) -> list[Logits]:
    """Read a run's logits at every evaluation: [n, C] for each split, in the order of the labels.

    `last_only` reads those of the last one, as a list of one.

    Raises ResultsError if there are none, if they are not of the examples that have labels, or are not finite.
    """
    check_has_predictions(record)
    file = store.read_predictions(record, last_only=last_only)
    if file is None or not file.evaluations:
        raise ResultsError("the predictions contain no evaluation.")
    if isinstance(record, SetRecord):
        return [_answers_to_set(file, record, labels)]
    if set(file.uids) != set(labels.splits):
        raise ResultsError(
            f"the predictions are for the splits {', '.join(sorted(file.uids))}, the labels for "
            f"{', '.join(labels.splits)}."
        )
    orders = [
        _label_order(split, file.uids[split], uids)
        for split, uids in zip(labels.splits, labels.uids, strict=True)
    ]
    return [
        tuple(_finite(evaluation[split])[order] for split, order in zip(labels.splits, orders, strict=True))
        for evaluation in file.evaluations
    ]


def _answers_to_set(file: Predictions, record: SetRecord, labels: DevLabels) -> Logits:
    """Return the logits of a further set, whose rows are in the order of the labels with the same digest."""
    digests = dev_digests(record)
    if missing := [split for split in labels.splits if digests[split] not in file.also]:
        raise ResultsError(f"the predictions contain none for {record.identity.task} {missing[0]}.")
    logits = tuple(_finite(file.also[digests[split]]) for split in labels.splits)
    if [len(split) for split in logits] != [len(split) for split in labels.labels]:
        raise ResultsError(
            f"the predictions for {record.identity.task} are for different examples than the labels."
        )
    return logits


def answers_of(logits: Logits, record: Record) -> Answers:
    """Return the class ids, or for a regression the scores, [n] for each split that the logits of a run give."""
    if record.data.labels:
        return tuple(split.argmax(axis=1).astype(np.int16) for split in logits)
    return tuple(split[:, 0].astype(np.float64) for split in logits)


def check_has_predictions(record: Record) -> None:
    """Raise ResultsError if a run recorded no predictions."""
    if record.predictions is None:
        raise ResultsError("no predictions were recorded.")


@lru_cache(maxsize=32)
def _label_order(split: str, uids: tuple[str, ...], labeled: tuple[str, ...]) -> Values:
    """Return the index of each `labeled` example among the `uids`, as int64 [n], the same for all runs of a task."""
    indices = {uid: index for index, uid in enumerate(uids)}
    if len(indices) != len(uids) or indices.keys() != set(labeled):
        raise ResultsError(f"the predictions for {split} do not cover the examples that have labels.")
    order = np.array([indices[uid] for uid in labeled], dtype=np.int64)
    order.setflags(write=False)
    return order


def _finite(logits: Values) -> Values:
    """Return the logits [n, C]. Raises ResultsError if there are none, or if some are NaN or infinite."""
    if not logits.size or not np.all(np.isfinite(logits)):
        raise ResultsError("the predictions contain NaN or infinity.")
    return logits
