"""The score with early stopping, free of the bias of choosing and scoring on the same examples."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from matekd_bench.results.stats.example_effects import Gold, Predictions
from matekd_bench.results.stats.weighted_metrics import weighted_scores
from matekd_bench.tasks.metrics import Floats

SPLITS = 10
MIN_EXAMPLES = 200  # in each dev split; a half of fewer chooses by chance


def xfit(gold: Gold, uids: Sequence[tuple[str, ...]], evaluations: Sequence[Predictions]) -> float | None:
    """The cross-fitted score of a run: choose the evaluation on one half of dev, score it on the other.

    `uids` are the example ids of each dev split, `evaluations` the run's predictions at each evaluation. Halves are
    by the hash of the ids, then swapped, ten times; of equal evaluations the later is chosen. Several dev splits
    (MNLI) choose by their mean. None for a dev split of fewer than 200 examples, or without an evaluation.
    """
    if not evaluations or min(len(labels) for labels in gold.labels) < MIN_EXAMPLES:
        return None
    scores = _half_scores(gold, uids, evaluations)  # [20, evaluations]
    chosen = later_best(scores)
    return float(np.mean([scores[(half + SPLITS) % (2 * SPLITS), best] for half, best in enumerate(chosen)]))


def later_best(scores: Floats) -> NDArray[np.intp]:
    """For each row of `scores` [n, evaluations] the place of the highest one, the last of equals."""
    places: NDArray[np.intp] = scores.shape[1] - 1 - np.argmax(scores[:, ::-1], axis=1)
    return places


def _half_scores(gold: Gold, uids: Sequence[tuple[str, ...]], evaluations: Sequence[Predictions]) -> Floats:
    """The task's score of each evaluation on each half: the ten first halves, then their counterparts."""
    scores = [
        weighted_scores(gold.metrics, labels, [evaluation[i] for evaluation in evaluations], halves(ids))
        for i, (labels, ids) in enumerate(zip(gold.labels, uids, strict=True))
    ]
    mean: Floats = np.mean(scores, axis=0)
    return mean


@lru_cache(maxsize=4)  # a study scores many runs on one dev set
def halves(uids: tuple[str, ...]) -> NDArray[np.uint8]:
    """Ten halvings of the examples as 0/1 rows [20, n]; row k + 10 is what row k leaves.

    The first half holds the ids whose hashes are lowest: the same whatever the order of the examples.
    """
    out = np.zeros((2 * SPLITS, len(uids)), dtype=np.uint8)
    for number in range(SPLITS):
        hashes = [hashlib.sha256(f"{number}:{uid}".encode()).digest() for uid in uids]
        order = sorted(range(len(uids)), key=hashes.__getitem__)
        out[number, order[: len(uids) // 2]] = 1
    out[SPLITS:] = 1 - out[:SPLITS]
    out.flags.writeable = False
    return out
