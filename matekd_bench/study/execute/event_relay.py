"""Forwards the events of a study to its watcher unchanged, and to plugins as event records."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matekd_bench.plugins.event_dispatch import EventDispatcher
from matekd_bench.plugins.event_types import EvaluationInfo, RunEnd, RunInfo, StudyEnd, StudyInfo
from matekd_bench.study.events import Events, Plan, StudySummary


class EventRelay:
    """A watcher that forwards everything to `inner` and sends the five plugin events to a dispatcher.

    `read_record` returns the record of a run id as JSON data.
    """

    def __init__(
        self, inner: Events, dispatcher: EventDispatcher, read_record: Callable[[str], dict[str, Any]]
    ) -> None:
        self._inner = inner
        self._dispatcher = dispatcher
        self._tell = dispatcher.dispatch
        self._read_record = read_record
        self._runs_by_label: dict[str, tuple[str, str, str, int]] = {}  # run id, method, task and seed
        self._study: StudyInfo | None = None
        self._run: RunInfo | None = None
        self._progress: tuple[int, int, float | None] = (0, 0, None)  # spent, limit, loss
        self.note, self.detail = inner.note, inner.detail
        self.warning, self.stage = inner.warning, inner.stage

    def study_started(self, plan: Plan) -> None:
        """Forward the event and send `matekd_bench_study_started`."""
        self._inner.study_started(plan)
        self._runs_by_label.update(
            (run.label, (run.run_id, run.method, run.task, run.seed)) for run in plan.runs
        )
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
        """Forward the event and send `matekd_bench_run_started`."""
        self._inner.run_started(label, position, total)
        run_id, method, task, seed = self._runs_by_label[label]
        self._run = RunInfo(
            run_id=run_id, method=method, task=task, seed=seed, position=position, total=total
        )
        self._progress = (0, 0, None)
        self._tell("matekd_bench_run_started", run=self._run)

    def progress(self, done: int, limit: int, loss: float | None, seconds_left: float | None) -> None:
        """Forward the event and keep its numbers for the next evaluation.

        Plugins get no event for it, since it comes many times a second.
        """
        self._inner.progress(done, limit, loss, seconds_left)
        self._progress = (done, limit, loss)

    def evaluated(self, evaluation: int, evaluations: int, score: float) -> None:
        """Forward the event and send `matekd_bench_evaluated`."""
        self._inner.evaluated(evaluation, evaluations, score)
        spent, limit, loss = self._progress
        info = EvaluationInfo(
            number=evaluation, total=evaluations, score=score, spent=spent, limit=limit, loss=loss
        )
        self._tell("matekd_bench_evaluated", run=self._run, evaluation=info)

    def run_finished(self, label: str, status: str, score: float | None, seconds: float) -> None:
        """Forward the event and send `matekd_bench_run_finished`, with the run's record."""
        self._inner.run_finished(label, status, score, seconds)
        record = self._read_record(self._run.run_id) if self._run else {}
        end = RunEnd(status=status, score=score, seconds=seconds, record=record)
        self._tell("matekd_bench_run_finished", run=self._run, end=end)

    def study_finished(self, summary: StudySummary) -> None:
        """Forward the event and send `matekd_bench_study_finished` with status `done`."""
        self._inner.study_finished(summary)
        end = StudyEnd(status="done", trained=summary.trained, skipped=summary.skipped, failed=summary.failed)
        self._tell("matekd_bench_study_finished", study=self._study, end=end)

    def run_view(self, number: int) -> EventRelay:
        """Return a relay for one of several runs that train at a time."""
        view = EventRelay(self._inner.run_view(number), self._dispatcher, self._read_record)
        view._runs_by_label = self._runs_by_label
        return view

    def study_stopped(self) -> None:
        """Send `matekd_bench_study_finished` with status `stopped`, after a signal or an error."""
        if self._study is not None:
            end = StudyEnd(status="stopped")
            self._tell("matekd_bench_study_finished", study=self._study, end=end)


def record_reader(runs: Path) -> Callable[[str], dict[str, Any]]:
    """Return a function that reads the record of a run id as JSON data, empty if it cannot be read."""

    def read(run_id: str) -> dict[str, Any]:
        try:
            record = json.loads((runs / run_id / "record.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    return read
