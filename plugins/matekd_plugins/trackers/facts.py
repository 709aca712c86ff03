"""The settings and results of a run that every tracker logs, under the same names."""

from __future__ import annotations

from collections.abc import Mapping

from matekd_bench import RunFinished, RunStarted, StudyStarted

PROJECT = "matekd-bench"  # default name of experiments and projects, if the tracker's environment variable sets none
SCORE, LOSS = "dev/score", "train/loss"


def settings(study: StudyStarted | None, run: RunStarted) -> dict[str, str | int]:
    """Return the settings that identify a run, with the names that tables use."""
    study_settings = {"preset": study.preset, "reference": study.reference or "none"} if study else {}
    return {"run_id": run.run_id, "method": run.method, "task": run.task, "seed": run.seed, **study_settings}


def results(end: RunFinished) -> dict[str, float]:
    """Return the known final scores (fractions), seconds, updates and FLOPs of a run."""
    scores, compute = end.record.get("task_score"), end.record.get("compute")
    values: dict[str, float | None] = {"final/score": end.score, "cost/seconds": end.seconds}
    if isinstance(scores, Mapping):
        values["final/best_dev"] = scores.get("best_dev")
    if isinstance(compute, Mapping):
        values |= {
            f"cost/{name}": compute.get(name)
            for name in ("student_updates", "auxiliary_updates", "train_flops")
        }
    return {name: float(value) for name, value in values.items() if value is not None}
