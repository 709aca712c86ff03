"""The score with early stopping, without the bias of choosing and scoring on the same examples."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from matekd_bench.results.stats.example_scores import Answers, Gold
from matekd_bench.results.stats.weighted_metrics import weighted_scores
from matekd_bench.tasks.metrics import Floats

SPLITS = 10
MIN_EXAMPLES = 200  # in each dev split; half of fewer examples would choose by chance


def xfit(gold: Gold, uids: Sequence[tuple[str, ...]], evaluations: Sequence[Answers]) -> float | None:
    """Compute the cross-fitted score of a run: choose the evaluation on one half of dev, score it on the other.

    `uids` are the example ids of each dev split, `evaluations` the run's predictions at each evaluation. The result
    is the mean over ten halvings, each used both ways. Of equal evaluations the later is chosen. A task with several
    dev splits (MNLI) chooses by their mean. None if a dev split has fewer than 200 examples or there is no
    evaluation.
    """
    if not evaluations or min(len(labels) for labels in gold.labels) < MIN_EXAMPLES:
        return None
    scores = _half_scores(gold, uids, evaluations)  # [20, evaluations]
    chosen = last_argmax(scores)
    # row (half + SPLITS) % 20 is the other half of row `half`
    return float(np.mean([scores[(half + SPLITS) % (2 * SPLITS), best] for half, best in enumerate(chosen)]))


def last_argmax(scores: Floats) -> NDArray[np.intp]:
    """Return for each row of `scores` [n, evaluations] the index of its maximum; of equal ones the last."""
    indices: NDArray[np.intp] = scores.shape[1] - 1 - np.argmax(scores[:, ::-1], axis=1)
    return indices


def _half_scores(gold: Gold, uids: Sequence[tuple[str, ...]], evaluations: Sequence[Answers]) -> Floats:
    """Compute the task score of each evaluation on each half, [20, evaluations], in the row order of `halves`."""
    scores = [
        weighted_scores(gold.metrics, labels, [evaluation[i] for evaluation in evaluations], halves(ids))
        for i, (labels, ids) in enumerate(zip(gold.labels, uids, strict=True))
    ]
    mean: Floats = np.mean(scores, axis=0)
    return mean


@lru_cache(maxsize=4)  # a study scores many runs on one dev set
def halves(uids: tuple[str, ...]) -> NDArray[np.uint8]:
    """Halve the examples ten times: 0/1 rows [20, n], where row k + 10 is the complement of row k.

    The first half holds the ids with the lowest hashes, so that the order of the examples does not matter.
    """
    rows = np.zeros((2 * SPLITS, len(uids)), dtype=np.uint8)
    for number in range(SPLITS):
        hashes = [hashlib.sha256(f"{number}:{uid}".encode()).digest() for uid in uids]
        order = sorted(range(len(uids)), key=hashes.__getitem__)
        rows[number, order[: len(uids) // 2]] = 1
    rows[SPLITS:] = 1 - rows[:SPLITS]
    rows.flags.writeable = False  # the cache returns the same array to every caller
    return rows
