"""Orders the work of a study: preparations before the runs that need them, the reference first, then long paths."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from matekd_bench.study.plan.work_items import WorkItem, critical_paths

NEARLY_AS_LONG = 0.5  # share of the longest path from which an item of the preferred task goes first
RETRY_SECONDS = 2.0  # until items that were put back are handed out again


class WorkQueue:
    """A queue that hands out each work item once, unless it is put back; of equal paths the first item goes first.

    Runs of the `reference` method go before all others, so that an interrupted study already has its reference.
    """

    def __init__(self, work: Sequence[WorkItem], reference: str | None = None) -> None:
        self._reference = reference
        self._path_seconds = dict(zip((item.id for item in work), critical_paths(work), strict=True))
        self._awaited = {item.id: set(item.waits_for) for item in work}
        self._waiting = [item for item in work if item.waits_for]
        self._ready = [item for item in work if not item.waits_for]
        self._put_back: list[WorkItem] = []
        self._retry_at = math.inf

    def __len__(self) -> int:
        """Return the number of runs that have not been handed out; preparations do not count."""
        return sum(not item.prepares for item in (*self._ready, *self._waiting, *self._put_back))

    def needs(self, task: str) -> bool:
        """Return True if an item of this task has not been handed out."""
        return any(item.task == task for item in (*self._ready, *self._waiting, *self._put_back))

    def take(
        self, fits: Callable[[WorkItem], bool] = lambda work: True, preferred_task: str | None = None
    ) -> WorkItem | None:
        """Remove and return the item with the longest path among those that fit; None if none is available now.

        Items on `preferred_task` go first if their path is nearly as long. A worker with the data of a task loaded
        prefers that task.
        """
        self._retry_due()
        fitting = sorted((item for item in self._ready if fits(item)), key=self._rank)
        if not fitting:
            return None
        later, path = self._rank(fitting[0])
        preferred = (
            item
            for item in fitting
            if item.task == preferred_task and self._rank(item) <= (later, NEARLY_AS_LONG * path)
        )
        chosen = next(preferred, fitting[0])
        self._ready.remove(chosen)
        return chosen

    def _rank(self, item: WorkItem) -> tuple[bool, float]:
        """Return the sort key of an item; the lowest goes first."""
        return item.method != self._reference, -self._path_seconds[item.id]

    def complete(self, work_id: str) -> None:
        """Make the runs available that waited only for this item."""
        for awaited in self._awaited.values():
            awaited.discard(work_id)
        self._ready += [item for item in self._waiting if not self._awaited[item.id]]
        self._waiting = [item for item in self._waiting if self._awaited[item.id]]

    def put_back(self, work: WorkItem) -> None:
        """Put back an item that cannot be done now; it is available again after RETRY_SECONDS."""
        self._put_back.append(work)
        self._retry_at = min(self._retry_at, time.monotonic() + RETRY_SECONDS)

    def _retry_due(self) -> None:
        if time.monotonic() >= self._retry_at:
            self._ready += self._put_back
            self._put_back.clear()
            self._retry_at = math.inf
