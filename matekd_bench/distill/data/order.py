"""Decide which examples each update trains on: shuffled epochs, and batches of similar length."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from matekd_bench.distill.settings import BudgetKind
from matekd_bench.methods.rows import Cycle
from matekd_bench.seeds import seed_of

GROUP = 50  # batches sorted by length together: enough to save padding, few enough to keep batches random


def grouped_order(lengths: Sequence[int], batch_size: int, seed: int) -> list[list[int]]:
    """Return one epoch as batches of row numbers: shuffled, but with rows of similar length in each batch.

    Every row occurs once; one batch may be short. The result depends only on lengths, batch size and seed.
    """
    rng = random.Random(seed)
    order = list(range(len(lengths)))
    rng.shuffle(order)
    batches: list[list[int]] = []
    for start in range(0, len(order), batch_size * GROUP):
        group = sorted(order[start : start + batch_size * GROUP], key=lambda row: (lengths[row], row))
        batches += [group[first : first + batch_size] for first in range(0, len(group), batch_size)]
    rng.shuffle(batches)  # otherwise lengths would rise within each group
    return batches


@dataclass(frozen=True)
class PlannedUpdate:
    """One planned update: its phase, its number within the phase, the epoch of its data order and its rows.

    The phase "own" holds the auxiliary updates.
    """

    phase: Literal["student", "own"]
    update: int
    epoch: int
    rows: list[int]


class DataOrder:
    """An endless stream of batches, as pairs of epoch and row numbers.

    Each epoch is shuffled with a seed made from the run's seed, task, purpose and epoch.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, task: str, purpose: str) -> None:
        if not lengths:
            raise ValueError(f"task '{task}' has no rows to train on")
        self._lengths = lengths
        self._batch_size = batch_size
        self._key = (seed, task, purpose)

    def __iter__(self) -> Iterator[tuple[int, list[int]]]:
        epoch = 0
        while True:
            for rows in grouped_order(self._lengths, self._batch_size, seed_of(*self._key, epoch)):
                yield epoch, rows
            epoch += 1


def schedule(student: DataOrder, own: DataOrder, cycle: Cycle | None) -> Iterator[PlannedUpdate]:
    """Plan an endless sequence of updates.

    With a `cycle`, `cycle.auxiliary` auxiliary updates come before every `cycle.student` student updates. Their batches
    come from `own`, so that the student sees the same batches as without a cycle. With `cycle.stream` "student" they
    take batches from the student's stream instead.
    """
    rows = iter(student)
    own_rows = rows if cycle is not None and cycle.stream == "student" else iter(own)
    update = auxiliary_update = 0
    while True:
        if cycle is not None and update % cycle.student == 0:
            for _ in range(cycle.auxiliary):
                yield PlannedUpdate("own", auxiliary_update, *next(own_rows))
                auxiliary_update += 1
        yield PlannedUpdate("student", update, *next(rows))
        update += 1


def within_budget(planned: Iterator[PlannedUpdate], kind: BudgetKind, limit: int) -> Iterator[PlannedUpdate]:
    """Yield the planned updates until the student's ones spend a budget of this kind; all under a budget of FLOPs.

    Preparation ahead of the training therefore ends with the budget.
    """
    spent = 0
    for update in planned:
        if spent >= limit:
            return
        yield update
        if update.phase == "student" and kind != "train_flops":  # costs of updates are unknown in advance
            spent += 1 if kind == "student_updates" else len(update.rows)
