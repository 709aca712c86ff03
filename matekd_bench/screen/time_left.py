"""Estimates of the remaining time, from the time that the finished part took."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matekd_bench.events import PlannedRun, RunFinished, StudyStarted

Clock = Callable[[], float]
WHOLE = ("ok", "collapsed")  # runs that spent their budget; others may have ended early


class Pace:
    """The remaining time of one piece of work of known size, such as the fine-tuning of a teacher."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._first: tuple[float, float] | None = None  # the first recorded step, and when it ended

    def step(self, done: float) -> None:
        """Record that step `done` (from 1) has ended.

        The first recorded step does not count for the speed, because it is much slower than the others. Steps before it
        were done earlier.
        """
        if self._first is None:
            self._first = done, self._clock()

    def left(self, done: float, size: float) -> float | None:
        """Return the seconds until all of `size` is done; None before the second step and at the end."""
        if self._first is None or not self._first[0] < done < size:
            return None
        first, ended = self._first
        return (self._clock() - ended) * (size - done) / (done - first)


class StudyPace:
    """The remaining time of the runs of a study, and of the teachers and generators that it has to prepare.

    A run is expected to take as long as the finished runs of its method and task took on average. Without any, it is
    expected to take its planned seconds (or else its updates), times the ratio of measured and planned seconds of all
    finished runs. As many runs are expected to train at a time as have done so.
    """

    def __init__(self, study: StudyStarted, clock: Clock) -> None:
        self._clock = clock
        self._left = {run.run_id: run for run in study.todo}
        self._teachers, self._generators = dict(study.teachers), dict(study.generators)
        self._under_way: dict[str, float] = {}  # run id -> when it started
        self._measured: dict[tuple[str, str], list[float]] = {}  # method, task -> seconds of finished runs
        self._measured_seconds, self._planned_seconds = 0.0, 0.0  # of all finished runs
        self._most_at_a_time = 1

    def run_started(self, run_id: str) -> None:
        """Record that a run has started or continues."""
        if run_id in self._left:
            self._under_way[run_id] = self._clock()
            self._most_at_a_time = max(self._most_at_a_time, len(self._under_way))

    def run_finished(self, end: RunFinished) -> None:
        """Count a run as done, and what was prepared for it.

        The time of a run that ended early says nothing about others.
        """
        run = self._left.pop(end.run_id, None)
        if run is None:
            return
        self._under_way.pop(end.run_id, None)
        self._teachers.pop(run.task, None)
        compute = end.record.get("compute", {})
        if compute.get("precompute_seconds"):
            made = [
                name for name in self._generators if name == run.task or "," in name
            ]  # the latter is of all tasks
            for name in made:
                del self._generators[name]
        if end.status not in WHOLE:
            return
        # A record has the seconds before an interruption too, and none of preparations.
        seconds = compute["train_seconds"] + compute["eval_seconds"] if compute else end.seconds
        self._measured.setdefault((run.method, run.task), []).append(seconds)
        self._measured_seconds += seconds
        self._planned_seconds += _size(run)

    def left(self) -> float | None:
        """Return the seconds until all runs are done; None before the first has finished and after the last."""
        if not self._planned_seconds or not self._left:
            return None
        now, slowdown = self._clock(), self._measured_seconds / self._planned_seconds
        runs = [
            max(0.0, self._expected(run, slowdown) - (now - self._under_way.get(run_id, now)))
            for run_id, run in self._left.items()
        ]
        prepared = slowdown * (sum(self._teachers.values()) + sum(self._generators.values()))
        return max((sum(runs) + prepared) / self._most_at_a_time, *runs)

    def _expected(self, run: PlannedRun, slowdown: float) -> float:
        """Return the seconds that a whole run is expected to take."""
        measured = self._measured.get((run.method, run.task))
        return sum(measured) / len(measured) if measured else slowdown * _size(run)


def _size(run: PlannedRun) -> float:
    return run.seconds or run.updates or 1
