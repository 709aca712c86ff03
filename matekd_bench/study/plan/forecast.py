"""How long a study takes on several devices: teachers before the runs that need them, the longest first."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from matekd_bench.study.events import Forecast

SETS_THE_END = 1.1  # an end so much later than an even division of the work is set by a single run
TEACHERS = "teachers"


@dataclass(frozen=True)
class WorkItem:
    """A run, or a teacher to be trained: what it is called, how long it takes and which teacher it waits for."""

    name: str
    seconds: float
    task: str
    method: str = TEACHERS
    teacher: str | None = None  # the name of the work that must be done before


def forecast(
    work: Sequence[WorkItem], devices: int, bases: Mapping[str, int] | None = None, start: float = 0.0
) -> Forecast:
    """What to expect of `work` on so many devices that take one piece at a time.

    `start` is what a process takes until its first piece, in seconds: this one, and then those of the devices.
    """
    by_name = {one.name: one for one in work}
    total = sum(one.seconds for one in work)
    last = max(work, key=lambda one: _path(one, by_name))  # nothing can end before this and its teacher
    longest = max((one.seconds for one in work if one.method != TEACHERS), default=last.seconds)
    path, end = _path(last, by_name), schedule(work, devices)
    starting = start * (1 if devices == 1 else 2)
    return Forecast(
        devices=devices,
        device_seconds=total,
        end=end + starting,
        start_seconds=starting,
        bound=max(total / devices, longest),
        longest_run_seconds=longest,
        last=last.name,
        last_seconds=last.seconds,
        waits_seconds=path - last.seconds,
        useful_devices=max(1, round(total / path)) if path else 1,
        set_by_one=end > SETS_THE_END * total / devices and path > 0.9 * end,
        shares={"method": _shares(work, "method", total), "task": _shares(work, "task", total)},
        bases=dict(bases or {}),
    )


def schedule(work: Iterable[WorkItem], devices: int) -> float:
    """Seconds until all is done, where a free device takes what has the longest way to the end before it."""
    work = list(work)
    waiting: dict[str, list[WorkItem]] = defaultdict(list)
    for one in work:
        if one.teacher is not None:
            waiting[one.teacher].append(one)
    ready = [(-way, index) for index, way in enumerate(critical_paths(work)) if work[index].teacher is None]
    numbers = {one.name: index for index, one in enumerate(work)}
    heapq.heapify(ready)
    busy: list[tuple[float, int]] = []
    now, free = 0.0, devices
    while ready or busy:
        while ready and free:
            _, index = heapq.heappop(ready)
            heapq.heappush(busy, (now + work[index].seconds, index))
            free -= 1
        now, index = heapq.heappop(busy)
        free += 1
        for one in waiting.pop(work[index].name, ()):
            heapq.heappush(ready, (-one.seconds, numbers[one.name]))
    return now


def critical_paths(work: Sequence[WorkItem]) -> list[float]:
    """How long each piece and the longest that waits for it take together: what should be begun first."""
    after: dict[str, float] = defaultdict(float)
    for one in work:
        if one.teacher is not None:
            after[one.teacher] = max(after[one.teacher], one.seconds)
    return [one.seconds + after[one.name] for one in work]


def _path(one: WorkItem, by_name: Mapping[str, WorkItem]) -> float:
    """Seconds of a piece and of the teacher that it waits for."""
    return one.seconds + (by_name[one.teacher].seconds if one.teacher is not None else 0.0)


def _shares(work: Sequence[WorkItem], by: str, total: float) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for one in work:
        sums[getattr(one, by)] += one.seconds
    ordered = sorted(sums.items(), key=lambda pair: -pair[1])
    return {name: seconds / total if total else 0.0 for name, seconds in ordered}
