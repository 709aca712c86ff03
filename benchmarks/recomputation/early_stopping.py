"""The cross-fitted score: the evaluation is chosen on one half of dev and scored on the other."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from recomputation.metrics import Array, value

if TYPE_CHECKING:
    from recomputation.folder import Run

HALVINGS, SMALLEST = 10, 200


def cross_fitted(run: Run) -> float | None:
    """The mean over ten halvings, each used both ways; of equal evaluations the later."""
    if min(len(dev.labels) for dev in run.dev.values()) < SMALLEST:
        return None
    found = []
    for number in range(HALVINGS):
        first, second = (_scores(run, number, low) for low in (True, False))
        found += [chosen[_last_best(chooser)] for chooser, chosen in ((first, second), (second, first))]
    return float(np.mean(found))


def _last_best(scores: list[float]) -> int:
    return max(range(len(scores)), key=lambda place: (scores[place], place))


def _scores(run: Run, number: int, low: bool) -> list[float]:
    """The score of every evaluation on the examples with the lower, or the higher, hashes."""
    halves = {split: _half(dev.uids, number, low) for split, dev in run.dev.items()}
    return [
        float(
            np.mean(
                [
                    value(name, run.dev[split].labels[half], run.answers(evaluation)[split][half])
                    for split, half in halves.items()
                    for name in run.metric_names
                ]
            )
        )
        for evaluation in range(len(run.logits))
    ]


def _half(uids: tuple[str, ...], number: int, low: bool) -> Array:
    order = sorted(range(len(uids)), key=lambda i: hashlib.sha256(f"{number}:{uids[i]}".encode()).digest())
    half = len(uids) // 2
    return np.array(order[:half] if low else order[half:])
