"""What every tracker is told of a run: its settings, and what came out, under the same names."""

from __future__ import annotations

from collections.abc import Mapping

from matekd_bench import RunEnd, RunInfo, StudyInfo

PROJECT = "matekd-bench"  # of experiments and projects, where the tracker's own variable names none
SCORE, LOSS = "dev/score", "train/loss"


def settings(study: StudyInfo | None, run: RunInfo) -> dict[str, str | int]:
    """What the run is: names as tables have them."""
    where = {"preset": study.preset, "reference": study.reference or "none"} if study else {}
    return {"run_id": run.run_id, "method": run.method, "task": run.task, "seed": run.seed, **where}


def results(end: RunEnd) -> dict[str, float]:
    """What came out of the run, as far as it is known: scores are fractions."""
    scores, compute = end.record.get("task_score"), end.record.get("compute")
    found: dict[str, float | None] = {"final/score": end.score, "cost/seconds": end.seconds}
    if isinstance(scores, Mapping):
        found["final/best_dev"] = scores.get("best_dev")
    if isinstance(compute, Mapping):
        found |= {
            f"cost/{name}": compute.get(name)
            for name in ("student_updates", "auxiliary_updates", "train_flops")
        }
    return {name: float(value) for name, value in found.items() if value is not None}
