"""The work of a study: runs and their preparations, in the order in which they should start."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class WorkItem:
    """A run to train, or a preparation: the teacher that the runs on a task wait for.

    `id` is the run id, or that of :func:`preparation_id`. `method` is the variant, "" for a preparation. `waits_for` is
    the id of the item that must end before this one starts. `seconds` is an estimate.
    """

    id: str
    task: str
    seconds: float = 0.0
    method: str = ""
    waits_for: str | None = None

    @property
    def prepares(self) -> bool:
        """True for a preparation."""
        return not self.method


def preparation_id(task: str) -> str:
    """Return the id of the item that prepares what the runs on a task share."""
    return f"teacher for {task}"  # contains blanks, so it is not a run id


def critical_paths(work: Sequence[WorkItem]) -> list[float]:
    """Return, for each item, its seconds plus those of the longest item that waits for it.

    The item with the longest critical path should start first.
    """
    longest_after: dict[str, float] = defaultdict(float)
    for item in work:
        if item.waits_for is not None:
            longest_after[item.waits_for] = max(longest_after[item.waits_for], item.seconds)
    return [item.seconds + longest_after[item.id] for item in work]


def least_seconds(work: Sequence[WorkItem], jobs: int) -> float:
    """Return a lower bound on the seconds that the work takes with `jobs` items at a time."""
    total = sum(item.seconds for item in work)
    return max(total / jobs, max(critical_paths(work), default=0.0))
