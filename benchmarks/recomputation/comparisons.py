"""Comparisons of rows: differences, Holm's correction, verdicts and ranks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from recomputation.differences import OnTask, OverTasks, difference
from recomputation.folder import Run

MARGIN = 0.005  # half a point
LEVEL, PAIRS_LEVEL = 0.05, 0.01
Name = TypeVar("Name", str, tuple[str, str])
Cell = Mapping[int, Run]  # runs of one row on one task, by seed


@dataclass(frozen=True)
class Pair:
    """One row against another: on every task that the table draws conclusions from, and over these tasks."""

    row: Mapping[str, Cell]
    other: Mapping[str, Cell]
    tasks: tuple[str, ...]

    @cached_property
    def parts(self) -> dict[str, OnTask | None]:
        """The differences with which something may be claimed; None for the others."""
        return {
            task: comparison(self.row[task], self.other[task])
            for task in self.tasks
            if task in self.row and task in self.other
        }

    @cached_property
    def over_tasks(self) -> OnTask | OverTasks | None:
        """The mean of the tasks' differences; of one task it is that task's."""
        parts = [part for task in self.tasks if (part := self.parts.get(task))]
        if not parts or len(parts) < len(self.tasks):
            return None
        return OverTasks(parts) if len(parts) > 1 else parts[0]

    @cached_property
    def deltas(self) -> dict[str, float]:
        """Mean differences on common seeds, claimed or not."""
        deltas = {}
        for task in self.tasks:
            mine, others = scored(self.row.get(task, {})), scored(self.other.get(task, {}))
            if seeds := mine.keys() & others.keys():
                deltas[task] = float(np.mean([mine[seed] - others[seed] for seed in sorted(seeds)]))
        return deltas

    @cached_property
    def delta(self) -> float | None:
        """The mean over tasks; None without a difference on each, or where a run of the row failed."""
        runs = [run for task in self.tasks for run in self.row.get(task, {}).values()]
        if len(self.deltas) < len(self.tasks) or any(run.status == "failed" for run in runs):
            return None
        return float(np.mean([*self.deltas.values()]))

    @cached_property
    def n_seeds(self) -> int:
        """Common seeds on the task that has the fewest."""
        return min(map(self.common, self.tasks), default=0)

    def common(self, task: str) -> int:
        """How many seeds both rows have on a task."""
        mine, others = self.row.get(task, {}), self.other.get(task, {})
        return len(scored(mine).keys() & scored(others).keys())

    def is_short(self, task: str) -> bool:
        """True if the two rows have one or two common seeds on the task."""
        return 0 < self.common(task) < 3


def scored(cell: Cell) -> dict[int, float]:
    """Scores by seed, of the runs that have one."""
    return {seed: run.last for seed, run in cell.items() if run.last is not None}


def comparison(cell: Cell, other: Cell) -> OnTask | None:
    """The difference of two cells on one task, or None where nothing may be claimed."""
    seeds = sorted(scored(cell).keys() & scored(other).keys())
    if len(seeds) < 3 or any(run.status == "failed" for run in (*cell.values(), *other.values())):
        return None
    constant = [[run.is_constant for run in side.values()] for side in (cell, other)]
    if any(any(side) and not all(side) for side in constant) or all(all(side) for side in constant):
        return None
    rows, others = [cell[seed] for seed in seeds], [other[seed] for seed in seeds]
    if not all(run.is_usable for run in (*rows, *others)):
        return None
    return difference(rows, others)


def holm(p_values: Mapping[Name, float | None]) -> dict[Name, float | None]:
    """Holm's corrected p values of a family; comparisons that could not be made, without a p, count in its size."""
    adjusted: dict[Name, float | None] = dict.fromkeys(p_values)
    largest = 0.0
    made = {name: p for name, p in p_values.items() if p is not None}
    for place, name in enumerate(sorted(made, key=lambda name: made[name])):
        largest = max(largest, min(1.0, (len(p_values) - place) * made[name]))
        adjusted[name] = largest
    return adjusted


def verdict(part: OnTask | OverTasks | None, corrected: float | None) -> str | None:
    """The verdict of a difference with its corrected p."""
    if part is None:
        return None
    if corrected is not None and corrected < LEVEL:
        return "better" if part.delta > 0 else "worse"
    near = abs(part.delta) < MARGIN and abs(part.delta) + part.half_width(2 * LEVEL) < MARGIN
    return "equivalent" if near else "inconclusive"


def ranks(names: Iterable[str], better: Iterable[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    """Rank intervals, given the pairs (better, worse) that differ significantly."""
    names, pairs = list(names), set(better)
    return {
        name: (1 + sum(low == name for _, low in pairs), len(names) - sum(high == name for high, _ in pairs))
        for name in names
    }
