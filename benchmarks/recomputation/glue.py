"""The GLUE score of a row, its interval over seeds, and which tasks it rests on."""

from __future__ import annotations

import numpy as np
import scipy.stats

from recomputation.comparisons import scored
from recomputation.costs import Row

GLUE8 = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte")
LOWEST = -2 / 8  # the correlations of cola and stsb may be -1, no other score is below 0


def glue_score(
    row: Row, informative: tuple[str, ...]
) -> tuple[str | None, float | None, float | None, float | None]:
    """Definition, score, and the ends of its interval; without all eight tasks the definition counts them."""
    tasks = [task for task in GLUE8 if task in informative and _is_whole(row, task)]
    if len(tasks) < len(GLUE8):
        return f"{len(tasks)} of 8 tasks", None, None, None
    scores = [np.array([*scored(row[task]).values()]) for task in tasks]
    score = float(np.mean([cell.mean() for cell in scores]))
    statuses = {run.status for task in tasks for run in row[task].values()}
    if min(map(len, scores)) < 3 or statuses & {"collapsed", "diverged"}:
        return "glue8", score, None, None
    variances = np.array([cell.var(ddof=1) / len(cell) for cell in scores])
    freedom = variances.sum() ** 2 / sum(variances**2 / [len(cell) - 1 for cell in scores])
    width = scipy.stats.t.isf(0.025, freedom) * np.sqrt(variances.sum()) / len(scores)
    return "glue8", score, max(score - width, LOWEST), min(score + width, 1.0)


def _is_whole(row: Row, task: str) -> bool:
    runs = list(row.get(task, {}).values())
    return bool(runs) and all(
        run.status != "failed" and run.record["data"]["state"] == "official" for run in runs
    )
