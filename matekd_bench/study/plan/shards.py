"""Divides a grid into shards, one for each machine, balanced by predicted cost."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matekd_bench.errors import UsageError

WHOLE_TASKS = 1.1  # tasks are not divided if the longest shard then takes at most this many times longer
BISECTION_STEPS = 60


@dataclass(frozen=True)
class Shard:
    """Part number `index` (from 1) of `count` parts of a grid."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def parse_shard(text: str) -> Shard:
    """Parse ``I/N``; raise UsageError for any other form and for a number out of bounds."""
    match = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*", text)
    shard = Shard(int(match[1]), int(match[2])) if match else Shard(0, 0)
    if not 1 <= shard.index <= shard.count:
        raise UsageError(f"--shard '{text}' must have the form I/N with I from 1 to N, e.g. 2/8.")
    return shard


def slurm_shard(environment: Mapping[str, str]) -> Shard | None:
    """Return the shard of this task of a Slurm job array; None outside a job array.

    Raises UsageError for an array with gaps, because its tasks cannot know how many shards there are.
    """
    names = ("ID", "COUNT", "MIN", "MAX", "STEP")
    array = {name: environment.get(f"SLURM_ARRAY_TASK_{name}", "") for name in names}
    if not (array["ID"].isdecimal() and array["COUNT"].isdecimal()):
        return None
    number, count = int(array["ID"]), int(array["COUNT"])
    first, step = int(array["MIN"] or 1), int(array["STEP"] or 1)
    last = int(array["MAX"] or first + (count - 1) * step)
    index, rest = divmod(number - first, step)
    if rest or last != first + (count - 1) * step or not 0 <= index < count:
        raise UsageError(
            f"task {number} of this Slurm array ({count} tasks, numbered {first} to {last}, with gaps) has no fixed "
            f"part of the grid:",
            hint="select the part with --shard I/N, e.g. --shard $SLURM_ARRAY_TASK_ID/8.",
        )
    return Shard(index + 1, count)


def assign_shards(
    tasks: Sequence[str], costs: Sequence[float], teachers: Mapping[str, float], count: int
) -> list[int]:
    """Return the shard (from 0) of each run; the same arguments always give the same shards.

    `tasks` and `costs` are those of the runs; `teachers` is the cost of each task's teacher. Each task stays in one
    shard if that is nearly as fast. Otherwise the sequence of runs, ordered by task, is cut into `count` parts, so that
    only the teachers of tasks with a cut are trained more than once.
    """
    runs_of: dict[str, list[int]] = defaultdict(list)
    for run, task in enumerate(tasks):
        runs_of[task].append(run)
    whole = _keep_tasks_whole(runs_of, costs, teachers, count)
    cut = _cut_in_sequence(runs_of, costs, teachers, count)
    loads = [max(_loads(shards, tasks, costs, teachers, count)) for shards in (whole, cut)]
    return whole if loads[0] <= WHOLE_TASKS * loads[1] else cut


def _keep_tasks_whole(
    runs_of: Mapping[str, Sequence[int]], costs: Sequence[float], teachers: Mapping[str, float], count: int
) -> list[int]:
    """Assign each task, the costliest first, to the shard with the lowest load."""
    loads, shards = [0.0] * count, [0] * len(costs)
    sums = {task: teachers[task] + sum(costs[run] for run in runs) for task, runs in runs_of.items()}
    for task in sorted(runs_of, key=lambda task: -sums[task]):
        shard = loads.index(min(loads))
        loads[shard] += sums[task]
        for run in runs_of[task]:
            shards[run] = shard
    return shards


def _cut_in_sequence(
    runs_of: Mapping[str, Sequence[int]], costs: Sequence[float], teachers: Mapping[str, float], count: int
) -> list[int]:
    """Cut the sequence of runs at the lowest load per shard for which `count` shards suffice."""
    total = sum(costs) + sum(teachers[task] for task in runs_of)
    low, high = 0.0, 1.001 * total  # the margin keeps rounding errors from causing a cut
    best = _fill_in_sequence(runs_of, costs, teachers, high)
    for _ in range(BISECTION_STEPS):
        middle = (low + high) / 2
        shards = _fill_in_sequence(runs_of, costs, teachers, middle)
        if max(shards, default=0) < count:
            best, high = shards, middle
        else:
            low = middle
    return best


def _fill_in_sequence(
    runs_of: Mapping[str, Sequence[int]], costs: Sequence[float], teachers: Mapping[str, float], limit: float
) -> list[int]:
    """Fill one shard after another up to the load `limit`; a single run with its teacher may exceed it."""
    shards, shard, load = [0] * len(costs), 0, 0.0
    for task, runs in runs_of.items():
        setup = teachers[task]  # the first run of a task in a shard trains its teacher
        for run in runs:
            if load and load + setup + costs[run] > limit:
                shard, load, setup = shard + 1, 0.0, teachers[task]
            shards[run] = shard
            load += setup + costs[run]
            setup = 0.0
    return shards


def _loads(
    shards: Sequence[int],
    tasks: Sequence[str],
    costs: Sequence[float],
    teachers: Mapping[str, float],
    count: int,
) -> list[float]:
    """Return the load of each shard: the cost of its runs and of one teacher for each of its tasks."""
    loads = [0.0] * count
    for shard, cost in zip(shards, costs, strict=True):
        loads[shard] += cost
    for shard, task in set(zip(shards, tasks, strict=True)):
        loads[shard] += teachers[task]
    return loads
