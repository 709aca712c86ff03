"""How long what is under way will still take, judged by how long the part that is done took."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matekd_bench.study.events import Plan

Clock = Callable[[], float]
PRIOR = 0.1  # of the work: what the plan weighs


class Pace:
    """Of one thing of known size, e.g. the fine-tuning of a teacher."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started = clock()
        self._before: float | None = None

    def step(self, done: float) -> None:
        """Hears of each step by its number from 1; what lies before the first that it hears of was done earlier."""
        if self._before is None:
            self._before = done - 1

    def left(self, done: float, size: float) -> float | None:
        """Seconds until all of `size` is done; None as long as nothing is, and at the end."""
        now = done - (self._before or 0)
        if now <= 0 or not 0 < done < size:
            return None
        return (self._clock() - self._started) * (size - done) / now


class StudyPace:
    """Of the runs of a study, each counted by the seconds it was planned to take, or else by its updates.

    A task's teacher counts as done with the first of its runs. What the plan said of the whole weighs like a tenth of
    the work, so that the first runs, for which most was to be prepared, do not speak for all others.
    """

    def __init__(self, plan: Plan, clock: Clock) -> None:
        self._runs = {run.label: (run.seconds or run.updates or 1, run.task) for run in plan.todo}
        self._teachers = dict(plan.teachers)
        self._size = self._ahead()
        self._planned = plan.seconds
        self._clock = clock
        self._started = clock()

    def _ahead(self) -> float:
        return sum(size for size, _ in self._runs.values()) + sum(self._teachers.values())

    def run_finished(self, label: str) -> None:
        """One more run is done."""
        if label in self._runs:
            _, task = self._runs.pop(label)
            self._teachers.pop(task, None)

    def left(self) -> float | None:
        """Seconds for all runs that are not done; None before the first has finished and after the last."""
        ahead = self._ahead()
        if not 0 < ahead < self._size:
            return None
        took, done = self._clock() - self._started, self._size - ahead
        if self._planned is None:
            return took * ahead / done
        prior, share = PRIOR * self._planned, self._planned / self._size
        return ahead * share * (took + prior) / (done * share + prior)
