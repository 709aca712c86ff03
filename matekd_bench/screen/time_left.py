"""Estimates of the remaining time, from the time that the finished part took."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matekd_bench.events import StudyStarted

Clock = Callable[[], float]
PRIOR = 0.1  # weight of the planned speed, as a share of the planned time


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
    """The remaining time of the runs of a study.

    The size of a run is its planned seconds, or else its updates. A task's teacher counts as done with the first run of
    the task. The first runs are slow, because they prepare what later runs share. So the planned speed also enters the
    estimate, with the weight of a tenth of the planned time (`PRIOR`).
    """

    def __init__(self, study: StudyStarted, clock: Clock) -> None:
        self._runs = {run.run_id: (run.seconds or run.updates or 1, run.task) for run in study.todo}
        self._teachers = dict(study.teachers)
        self._size = self._remaining_size()
        self._planned = study.seconds
        self._clock = clock
        self._started = clock()

    def _remaining_size(self) -> float:
        return sum(size for size, _ in self._runs.values()) + sum(self._teachers.values())

    def run_finished(self, run_id: str) -> None:
        """Count a run as done, and its task's teacher with it."""
        if run_id in self._runs:
            _, task = self._runs.pop(run_id)
            self._teachers.pop(task, None)

    def left(self) -> float | None:
        """Return the seconds until all runs are done; None before the first has finished and after the last."""
        remaining = self._remaining_size()
        if not 0 < remaining < self._size:
            return None
        elapsed, done = self._clock() - self._started, self._size - remaining
        if self._planned is None:
            return elapsed * remaining / done
        # elapsed and planned time of the finished part, both with the same prior added: their ratio is the slowdown
        prior, seconds_per_size = PRIOR * self._planned, self._planned / self._size
        return remaining * seconds_per_size * (elapsed + prior) / (done * seconds_per_size + prior)
