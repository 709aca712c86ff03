"""Which tasks are informative: teacher and at least one student are above the majority class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.stats

from recomputation.folder import Run

A_POINT = 0.01


def teacher_p(run: Run) -> float:
    """The one-sided p of the teacher's scores if it were no better than the majority class."""
    items = run.record["teacher"]["scores"]
    n = sum(len(dev.labels) for dev in run.dev.values())
    scores = {
        name: sum(item["value"] * item["n"] for item in items if item["metric"] == name) / n
        for name in run.metric_names
    }
    if "accuracy" in scores:
        share = sum(int((dev.labels == run.majority).sum()) for dev in run.dev.values()) / n
        return float(scipy.stats.binom.sf(round(scores["accuracy"] * n) - 1, n, share))
    if "matthews" in scores:
        return float(scipy.stats.norm.sf(np.sqrt(n) * scores["matthews"]))
    r = min(scores.values())
    return float(scipy.stats.t.sf(r * np.sqrt((n - 2) / (1 - r**2)), n - 2)) if r < 1 else 0.0


def is_informative(runs: Sequence[Run]) -> bool:
    """True if the runs of a task, of all rows, allow conclusions."""
    finished = [run for run in runs if run.status != "failed"]
    if not finished or all(run.is_constant for run in finished) or teacher_p(finished[0]) >= 0.05:
        return False
    rows: dict[str, list[float]] = {}
    for run in finished:
        rows.setdefault(run.record["identity"]["variant"], []).append(run.last or 0.0)
    majority = float(finished[0].record["data"]["majority_score"])
    return max(float(np.mean(scores)) for scores in rows.values()) >= majority + A_POINT
