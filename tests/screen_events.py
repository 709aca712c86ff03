"""Events of a study for the tests of the screens, and a clock that only they advance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from matekd_bench.events import PlannedRun, RunFinished, StudyStarted


def planned(run_id: str, seed: int, updates: int, **more: Any) -> PlannedRun:
    return PlannedRun(run_id=run_id, method="kd", task="rte", seed=seed, updates=updates, **more)


def finished(run_id: str, score: float = 0.5, seconds: float = 60.0) -> RunFinished:
    return RunFinished(run_id=run_id, status="ok", score=score, seconds=seconds)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


STUDY = StudyStarted(
    results=Path("results"),
    preset="minilm",
    methods=("kd", "eda[alpha=0.2]"),
    tasks=("rte",),
    seeds=(0,),
    runs=(planned("a1", 0, 500, done=True), planned("a2", 0, 500)),
)
THREE = replace(STUDY, runs=(STUDY.runs[0], *(planned(f"b{n}", n, n * 100) for n in (1, 3, 6))))
"""Three runs to do, of 100, 300 and 600 updates."""
