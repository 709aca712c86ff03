"""Passes on what a study reports, to its watcher as it is and to plugins as events."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matekd_bench.plugins.event_dispatch import EventDispatcher
from matekd_bench.plugins.event_types import EvaluationInfo, RunEnd, RunInfo, StudyEnd, StudyInfo
from matekd_bench.study.events import Events, Plan, StudySummary


class EventRelay:
    """A watcher that passes everything on to `inner` and tells an announcer of the five events."""

    def __init__(
        self, inner: Events, announcer: EventDispatcher, record: Callable[[str], dict[str, Any]]
    ) -> None:
        self._inner = inner
        self._announcer = announcer
        self._tell = announcer.tell
        self._record = record
        self._ids: dict[str, tuple[str, str, str, int]] = {}  # of every run, by its label
        self._study: StudyInfo | None = None
        self._run: RunInfo | None = None
        self._spent: tuple[int, int, float | None] = (0, 0, None)
        self.note, self.detail = inner.note, inner.detail
        self.warning, self.stage = inner.warning, inner.stage

    def study_started(self, plan: Plan) -> None:
        """The event of that name."""
        self._inner.study_started(plan)
        self._ids.update((run.label, (run.run_id, run.method, run.task, run.seed)) for run in plan.runs)
        self._study = StudyInfo(
            results=Path(plan.results),
            preset=plan.preset,
            methods=plan.methods,
            tasks=plan.tasks,
            seeds=plan.seeds,
            reference=plan.reference,
            runs=len(plan.runs),
            todo=len(plan.todo),
        )
        self._tell("matekd_bench_study_started", study=self._study)

    def run_started(self, label: str, position: int, total: int) -> None:
        """The event of that name."""
        self._inner.run_started(label, position, total)
        run_id, method, task, seed = self._ids[label]
        self._run = RunInfo(
            run_id=run_id, method=method, task=task, seed=seed, position=position, total=total
        )
        self._spent = (0, 0, None)
        self._tell("matekd_bench_run_started", run=self._run)

    def progress(self, done: int, limit: int, loss: float | None, seconds_left: float | None) -> None:
        """Kept for the next evaluation; no event, since it comes many times a second."""
        self._inner.progress(done, limit, loss, seconds_left)
        self._spent = (done, limit, loss)

    def evaluated(self, evaluation: int, evaluations: int, score: float) -> None:
        """The event of that name."""
        self._inner.evaluated(evaluation, evaluations, score)
        spent, limit, loss = self._spent
        found = EvaluationInfo(
            number=evaluation, total=evaluations, score=score, spent=spent, limit=limit, loss=loss
        )
        self._tell("matekd_bench_evaluated", run=self._run, evaluation=found)

    def run_finished(self, label: str, status: str, score: float | None, seconds: float) -> None:
        """The event of that name."""
        self._inner.run_finished(label, status, score, seconds)
        record = self._record(self._run.run_id) if self._run else {}
        end = RunEnd(status=status, score=score, seconds=seconds, record=record)
        self._tell("matekd_bench_run_finished", run=self._run, end=end)

    def study_finished(self, summary: StudySummary) -> None:
        """The event of that name."""
        self._inner.study_finished(summary)
        end = StudyEnd(status="done", trained=summary.trained, skipped=summary.skipped, failed=summary.failed)
        self._tell("matekd_bench_study_finished", study=self._study, end=end)

    def run_view(self, number: int) -> EventRelay:
        """The same for one of several runs at a time."""
        view = EventRelay(self._inner.run_view(number), self._announcer, self._record)
        view._ids = self._ids
        return view

    def study_stopped(self) -> None:
        """The same event, where the study ends by a signal or an error."""
        if self._study is not None:
            end = StudyEnd(status="stopped")
            self._tell("matekd_bench_study_finished", study=self._study, end=end)


def record_reader(runs: Path) -> Callable[[str], dict[str, Any]]:
    """A function from a run's id to its record as JSON has it; empty where it cannot be read."""

    def read(run_id: str) -> dict[str, Any]:
        try:
            found = json.loads((runs / run_id / "record.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    return read
