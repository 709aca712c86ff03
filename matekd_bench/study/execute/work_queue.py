"""What is still to be done and in which order: teachers before the runs that need them, the longest way first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matekd_bench.study.plan.forecast import TEACHERS, WorkItem, critical_paths

NEARLY = 0.5  # of the longest way: so long work on a task whose data are at hand is taken before it


class WorkQueue:
    """Hands out work, each piece once unless it is put back."""

    def __init__(self, work: Sequence[WorkItem]) -> None:
        self._ways = dict(zip((one.name for one in work), critical_paths(work), strict=True))
        self._waiting = [one for one in work if one.teacher is not None]
        self._ready = [one for one in work if one.teacher is None]
        self._later: list[WorkItem] = []

    def __len__(self) -> int:
        """Runs that have not been handed out; teachers are no runs."""
        return sum(one.method != TEACHERS for one in (*self._ready, *self._waiting, *self._later))

    def take(
        self, fits: Callable[[WorkItem], bool] = lambda work: True, at_hand: str | None = None
    ) -> WorkItem | None:
        """The piece with the longest way to the end among those that fit; None where there is none now.

        Of pieces with nearly as long a way the first on the task `at_hand` is preferred.
        """
        fitting = sorted((one for one in self._ready if fits(one)), key=lambda one: -self._ways[one.name])
        if not fitting:
            return None
        enough = NEARLY * self._ways[fitting[0].name]
        near = (one for one in fitting if one.task == at_hand and self._ways[one.name] >= enough)
        chosen = next(near, fitting[0])
        self._ready.remove(chosen)
        return chosen

    def done(self, work: WorkItem) -> None:
        """What waited for this piece may begin."""
        freed = [one for one in self._waiting if one.teacher == work.name]
        self._waiting = [one for one in self._waiting if one.teacher != work.name]
        self._ready += freed

    def put_back(self, work: WorkItem) -> None:
        """A piece that cannot be done now: it is handed out again after :meth:`retry`."""
        self._later.append(work)

    def retry(self) -> None:
        """What was put back may be taken again."""
        self._ready += self._later
        self._later.clear()
