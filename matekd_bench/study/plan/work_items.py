"""The work of a study: runs and their preparations, in the order in which they should start."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Shared = Literal["teacher", "generator"]  # what runs share: the teacher with its logits, or the generator


@dataclass(frozen=True)
class WorkItem:
    """A run to train, or a preparation that runs wait for.

    `id` is the run id, or that of :func:`preparation_id`. `method` is the variant, "" for a preparation. `waits_for`
    holds the ids of the items that must end before this one starts. `prepares` names what a preparation makes; it is
    empty for a run. `seconds` is an estimate.
    """

    id: str
    task: str
    seconds: float = 0.0
    method: str = ""
    waits_for: frozenset[str] = frozenset()
    prepares: tuple[Shared, ...] = ()


def preparation_id(kind: Shared, name: str) -> str:
    """Return the id of the item that prepares the teacher of a task, or the generator that reads some tasks' texts."""
    return f"{kind} for {name}"  # contains blanks, so it is not a run id


def critical_paths(work: Sequence[WorkItem]) -> list[float]:
    """Return, for each item, its seconds plus those of the longest item that waits for it.

    The item with the longest critical path should start first.
    """
    longest_after: dict[str, float] = defaultdict(float)
    for item in work:
        for awaited in item.waits_for:
            longest_after[awaited] = max(longest_after[awaited], item.seconds)
    return [item.seconds + longest_after[item.id] for item in work]


def least_seconds(work: Sequence[WorkItem], jobs: int) -> float:
    """Return a lower bound on the seconds that the work takes with `jobs` items at a time."""
    total = sum(item.seconds for item in work)
    return max(total / jobs, max(critical_paths(work), default=0.0))
