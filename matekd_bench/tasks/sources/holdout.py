"""A holdout cut off train, for tuning without a look at dev; rows that share a text stay on one side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from matekd_bench.errors import DataError
from matekd_bench.tasks.sources.example_ids import order_key, take
from matekd_bench.tasks.task import HOLDOUT, Examples, Task

LEAST, MOST, SHARE = 100, 1000, 10  # a tenth of train, within these bounds


def split_holdout(task: Task, train: Examples) -> tuple[Examples, Examples]:
    """`train` without the holdout, and the holdout: a tenth of train, at least 100 and at most 1000 rows.

    Whole groups of rows that share a text are taken in hash order until there are enough, so a few rows more
    are possible; groups larger than a quarter of the holdout stay in train. `official_rows` of both is that
    of train. Raises DataError where more than half of train would be needed.
    """
    target = min(max(LEAST, len(train) // SHARE), MOST)
    taken: set[int] = set()
    for group in _shuffled(groups_by_text(train.texts), train.uids):
        if len(taken) >= target:
            break
        if len(group) <= min(target // 4, MOST - len(taken)):
            taken.update(group)
    if len(taken) < LEAST or 2 * len(taken) > len(train):
        raise DataError(f"{task.name}: {len(train)} training rows are too few to hold {target} of them out.")
    rest = take(train, [row for row in range(len(train)) if row not in taken])
    return rest, replace(take(train, sorted(taken)), split=HOLDOUT, skipped=0)


def _shuffled(groups: list[list[int]], uids: Sequence[str]) -> list[list[int]]:
    """The groups ordered by the hash of one member each: the hash of all would favor large groups."""
    return sorted(groups, key=lambda group: order_key("holdout", min(uids[row] for row in group)))


def groups_by_text(texts: Sequence[tuple[str, ...]]) -> list[list[int]]:
    """Row numbers, those with a text in common (directly or through other rows) in one group."""
    parent = list(range(len(texts)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    first: dict[str, int] = {}
    for row, segments in enumerate(texts):
        for text in segments:
            parent[root(row)] = root(first.setdefault(text, row))
    groups: dict[int, list[int]] = {}
    for row in range(len(texts)):
        groups.setdefault(root(row), []).append(row)
    return list(groups.values())
