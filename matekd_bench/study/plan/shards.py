"""A fixed part of a grid for each of several machines: balanced by predicted cost, few teachers trained twice."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matekd_bench.errors import UsageError

WHOLE_TASKS = 1.1  # how much longer the longest shard may take where that keeps every task in one shard
STEPS = 60  # halvings in the search for the lowest load that suffices


@dataclass(frozen=True)
class Shard:
    """The part `index` (from 1) of `count`."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def parse_shard(text: str) -> Shard:
    """The shard that ``I/N`` names; UsageError for any other form or a number out of bounds."""
    found = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
    shard = Shard(int(found[1]), int(found[2])) if found else Shard(0, 0)
    if not 1 <= shard.index <= shard.count:
        raise UsageError(f"--shard '{text}' is not of the form I/N with I from 1 to N, e.g. 2/8.")
    return shard


def slurm_shard(environment: Mapping[str, str]) -> Shard | None:
    """The shard of a task of a Slurm job array, None outside one.

    Raises UsageError for an array with gaps: its tasks cannot know the size of the whole.
    """
    names = ("ID", "COUNT", "MIN", "MAX", "STEP")
    found = {name: environment.get(f"SLURM_ARRAY_TASK_{name}", "") for name in names}
    if not (found["ID"].isdecimal() and found["COUNT"].isdecimal()):
        return None
    number, count = int(found["ID"]), int(found["COUNT"])
    first, step = int(found["MIN"] or 1), int(found["STEP"] or 1)
    last = int(found["MAX"] or first + (count - 1) * step)
    index, rest = divmod(number - first, step)
    if rest or last != first + (count - 1) * step or not 0 <= index < count:
        raise UsageError(
            f"task {number} of this Slurm array of {count} from {first} to {last} is no fixed part of the grid:",
            hint="name the part with --shard I/N, e.g. --shard $SLURM_ARRAY_TASK_ID/8.",
        )
    return Shard(index + 1, count)


def divide(
    tasks: Sequence[str], costs: Sequence[float], teachers: Mapping[str, float], count: int
) -> list[int]:
    """The shard (from 0) of each run, given its task and cost and what each task's teacher costs.

    Whole tasks go to one shard where that is nearly as fast; else the runs are cut, task by task, into `count` parts
    in a row, so that only a task with a cut in it has its teacher trained twice. The same for the same numbers.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for run, task in enumerate(tasks):
        members[task].append(run)
    whole, cut = _whole(members, costs, teachers, count), _cut(members, costs, teachers, count)
    loads = [max(_loads(placed, tasks, costs, teachers, count)) for placed in (whole, cut)]
    return whole if loads[0] <= WHOLE_TASKS * loads[1] else cut


def _whole(
    members: Mapping[str, Sequence[int]], costs: Sequence[float], teachers: Mapping[str, float], count: int
) -> list[int]:
    """Each task to the shard with the least load, the costliest first."""
    loads, placed = [0.0] * count, [0] * len(costs)
    sums = {task: teachers[task] + sum(costs[run] for run in runs) for task, runs in members.items()}
    for task in sorted(members, key=lambda task: -sums[task]):
        shard = loads.index(min(loads))
        loads[shard] += sums[task]
        for run in members[task]:
            placed[run] = shard
    return placed


def _cut(
    members: Mapping[str, Sequence[int]], costs: Sequence[float], teachers: Mapping[str, float], count: int
) -> list[int]:
    """The runs in a row, cut where a shard would exceed the lowest load with which `count` shards suffice."""
    low, high = 0.0, 1.001 * (sum(costs) + sum(teachers[task] for task in members))  # rounding is not a cut
    best = _filled(members, costs, teachers, high)
    for _ in range(STEPS):
        middle = (low + high) / 2
        placed = _filled(members, costs, teachers, middle)
        if max(placed, default=0) < count:
            best, high = placed, middle
        else:
            low = middle
    return best


def _filled(
    members: Mapping[str, Sequence[int]], costs: Sequence[float], teachers: Mapping[str, float], limit: float
) -> list[int]:
    """Shards filled one after another up to `limit`; a run with its teacher may exceed it alone."""
    placed, shard, load = [0] * len(costs), 0, 0.0
    for task, runs in members.items():
        setup = teachers[task]
        for run in runs:
            if load and load + setup + costs[run] > limit:
                shard, load, setup = shard + 1, 0.0, teachers[task]
            placed[run] = shard
            load += setup + costs[run]
            setup = 0.0
    return placed


def _loads(
    placed: Sequence[int],
    tasks: Sequence[str],
    costs: Sequence[float],
    teachers: Mapping[str, float],
    count: int,
) -> list[float]:
    loads = [0.0] * count
    for shard, cost in zip(placed, costs, strict=True):
        loads[shard] += cost
    for shard, task in set(zip(placed, tasks, strict=True)):
        loads[shard] += teachers[task]
    return loads
