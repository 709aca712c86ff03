"""Orders the work of a study: teachers before the runs that need them, the longest path first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matekd_bench.study.plan.forecast import TEACHERS, WorkItem, critical_paths

NEARLY_AS_LONG = 0.5  # share of the longest path from which an item of the preferred task goes first


class WorkQueue:
    """A queue that hands out each work item once, unless it is put back."""

    def __init__(self, work: Sequence[WorkItem]) -> None:
        self._path_seconds = dict(zip((item.name for item in work), critical_paths(work), strict=True))
        self._waiting = [item for item in work if item.teacher is not None]
        self._ready = [item for item in work if item.teacher is None]
        self._put_back: list[WorkItem] = []

    def __len__(self) -> int:
        """Return the number of runs that have not been handed out; teachers do not count."""
        return sum(item.method != TEACHERS for item in (*self._ready, *self._waiting, *self._put_back))

    def take(
        self, fits: Callable[[WorkItem], bool] = lambda work: True, preferred_task: str | None = None
    ) -> WorkItem | None:
        """Remove and return the item with the longest path among those that fit; None if there is none now.

        If items on `preferred_task` have a path nearly as long, the longest of these is returned. A worker that has
        the data of a task loaded prefers that task.
        """
        fitting = sorted(
            (item for item in self._ready if fits(item)), key=lambda item: -self._path_seconds[item.name]
        )
        if not fitting:
            return None
        enough = NEARLY_AS_LONG * self._path_seconds[fitting[0].name]
        preferred = (
            item
            for item in fitting
            if item.task == preferred_task and self._path_seconds[item.name] >= enough
        )
        chosen = next(preferred, fitting[0])
        self._ready.remove(chosen)
        return chosen

    def complete(self, work: WorkItem) -> None:
        """Make the runs that waited for this item available."""
        freed = [item for item in self._waiting if item.teacher == work.name]
        self._waiting = [item for item in self._waiting if item.teacher != work.name]
        self._ready += freed

    def put_back(self, work: WorkItem) -> None:
        """Return an item that cannot be done now; it becomes available again with :meth:`retry`."""
        self._put_back.append(work)

    def retry(self) -> None:
        """Make all items that were put back available again."""
        self._ready += self._put_back
        self._put_back.clear()
