"""A forecast of how long a study takes on several devices."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from matekd_bench.study.events import Forecast

SETS_THE_END = 1.1  # if the end is so many times later than an even division of the work, one run causes it
TEACHERS = "teachers"


@dataclass(frozen=True)
class WorkItem:
    """A run or a teacher to be trained, with its time and the teacher that it waits for."""

    name: str
    seconds: float
    task: str
    method: str = TEACHERS
    teacher: str | None = None  # name of the work item that must end before this one starts


def forecast(
    work: Sequence[WorkItem], devices: int, bases: Mapping[str, int] | None = None, start: float = 0.0
) -> Forecast:
    """Estimate how long `work` takes on `devices` devices, each of which takes one item at a time.

    `start` is the time in seconds that a process needs before its first item. On several devices it counts twice:
    for this process, then for those on the devices. `bases` is passed on to the result.
    """
    by_name = {item.name: item for item in work}
    total = sum(item.seconds for item in work)
    last = max(work, key=lambda item: _path_seconds(item, by_name))  # no order ends before it does
    longest = max((item.seconds for item in work if item.method != TEACHERS), default=last.seconds)
    path, end = _path_seconds(last, by_name), makespan(work, devices)
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


def makespan(work: Iterable[WorkItem], devices: int) -> float:
    """Return the seconds until all work is done, from a simulation of `devices` devices.

    A free device takes the ready item with the longest critical path. Items that wait for a teacher become ready when
    it is done.
    """
    work = list(work)
    waiting: dict[str, list[WorkItem]] = defaultdict(list)
    for item in work:
        if item.teacher is not None:
            waiting[item.teacher].append(item)
    # The heap gives the smallest entry first, so path lengths are negative.
    ready = [(-path, index) for index, path in enumerate(critical_paths(work)) if work[index].teacher is None]
    positions = {item.name: index for index, item in enumerate(work)}
    heapq.heapify(ready)
    busy: list[tuple[float, int]] = []  # end and position of the items in progress
    now, free = 0.0, devices
    while ready or busy:
        while ready and free:
            _, index = heapq.heappop(ready)
            heapq.heappush(busy, (now + work[index].seconds, index))
            free -= 1
        now, index = heapq.heappop(busy)
        free += 1
        for item in waiting.pop(work[index].name, ()):
            heapq.heappush(ready, (-item.seconds, positions[item.name]))
    return now


def critical_paths(work: Sequence[WorkItem]) -> list[float]:
    """Return, for each item, its seconds plus those of the longest item that waits for it.

    The item with the longest critical path should start first.
    """
    longest_after: dict[str, float] = defaultdict(float)
    for item in work:
        if item.teacher is not None:
            longest_after[item.teacher] = max(longest_after[item.teacher], item.seconds)
    return [item.seconds + longest_after[item.name] for item in work]


def _path_seconds(item: WorkItem, by_name: Mapping[str, WorkItem]) -> float:
    """Return the seconds of an item plus those of the teacher that it waits for."""
    return item.seconds + (by_name[item.teacher].seconds if item.teacher is not None else 0.0)


def _shares(work: Sequence[WorkItem], attribute: str, total: float) -> dict[str, float]:
    """Return the share of `total` seconds for each value of an attribute, the largest first."""
    sums: dict[str, float] = defaultdict(float)
    for item in work:
        sums[getattr(item, attribute)] += item.seconds
    ordered = sorted(sums.items(), key=lambda pair: -pair[1])
    return {name: seconds / total if total else 0.0 for name, seconds in ordered}
