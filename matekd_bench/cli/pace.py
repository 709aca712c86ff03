"""How long what is under way will still take, judged by how long the part that is done took."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matekd_bench.study.events import Plan

Clock = Callable[[], float]


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
    """Of the runs of a study, each counted by its planned updates."""

    def __init__(self, plan: Plan, clock: Clock) -> None:
        self._sizes = {run.label: run.updates or 1 for run in plan.todo}
        self._size = sum(self._sizes.values())
        self._pace = Pace(clock)

    def run_finished(self, label: str) -> None:
        """One more run is done."""
        self._sizes.pop(label, None)

    def left(self) -> float | None:
        """Seconds for all runs that are not done; None before the first has finished and after the last."""
        return self._pace.left(self._size - sum(self._sizes.values()), self._size)
