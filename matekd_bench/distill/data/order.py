"""Which examples meet in which update: the data order, and batches of similar length."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from matekd_bench.methods.rows import Cycle
from matekd_bench.seeds import seed_of

GROUP = 50  # batches sorted by length together: enough to save the padding, few enough to stay random


def grouped_order(lengths: Sequence[int], batch_size: int, seed: int) -> list[list[int]]:
    """One epoch's batches of row numbers: shuffled, then grouped so that a batch holds rows of similar length.

    Every row occurs once; the last batch may be short. Depends on lengths, batch size and seed alone.
    """
    rng = random.Random(seed)
    order = list(range(len(lengths)))
    rng.shuffle(order)
    batches: list[list[int]] = []
    for start in range(0, len(order), batch_size * GROUP):
        group = sorted(order[start : start + batch_size * GROUP], key=lambda row: (lengths[row], row))
        batches += [group[at : at + batch_size] for at in range(0, len(group), batch_size)]
    rng.shuffle(batches)
    return batches


@dataclass(frozen=True)
class PlannedUpdate:
    """One update to come: its phase, its number within the phase, the epoch of its stream and its rows."""

    phase: Literal["student", "own"]
    update: int
    epoch: int
    rows: list[int]


class DataOrder:
    """An endless stream of batches over one corpus; epoch e is shuffled by the seed of its name and e."""

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
    """The endless sequence of updates: before every `cycle.student` student updates come `cycle.auxiliary` own ones."""
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
