"""Descriptive statistics of a row and the reference, which are not tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recomputation.comparisons import Pair, scored
from recomputation.metrics import Array

DESCRIBED = ("tasks_won", "prob_improve", "seed_correlation")


def described(pair: Pair) -> dict[str, Any]:
    """The smallest difference of a task, tasks won, probability of improvement and seed correlation."""
    found: dict[str, Any] = {"worst_task_delta": None if pair.delta is None else min(pair.deltas.values())}
    if pair.n_seeds < 3 or pair.delta is None:
        return found | dict.fromkeys(DESCRIBED)
    mine = {task: scored(pair.row[task]) for task in pair.tasks}
    others = {task: scored(pair.other[task]) for task in pair.tasks}
    return found | {
        "tasks_won": sum(delta > 0 for delta in pair.deltas.values()),
        "prob_improve": float(
            np.mean([_wins([*mine[t].values()], [*others[t].values()]) for t in pair.tasks])
        ),
        "seed_correlation": _seed_correlation(mine, others),
    }


def _wins(scores: Sequence[float], others: Sequence[float]) -> float:
    table = np.subtract.outer(scores, others)
    return float(np.mean((table > 0) + 0.5 * (table == 0)))


def _seed_correlation(
    mine: Mapping[str, Mapping[int, float]], others: Mapping[str, Mapping[int, float]]
) -> float | None:
    x, y = [], []
    for task in mine:
        seeds = sorted(mine[task].keys() & others[task].keys())
        x.append(_centered([mine[task][seed] for seed in seeds]))
        y.append(_centered([others[task][seed] for seed in seeds]))
    a, b = np.concatenate(x), np.concatenate(y)
    spread = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / spread) if spread else None


def _centered(scores: Sequence[float]) -> Array:
    return np.array(scores, dtype=float) - float(np.mean(scores))
