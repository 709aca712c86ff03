"""Splits a holdout off train, for tuning without dev; rows that share a text stay on the same side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from matekd_bench.errors import DataError
from matekd_bench.tasks.sources.example_ids import order_key, take
from matekd_bench.tasks.task import HOLDOUT, Examples, Task

LEAST, MOST, SHARE = 100, 1000, 10  # a tenth of train, within these bounds


def split_holdout(task: Task, train: Examples) -> tuple[Examples, Examples]:
    """Return train without the holdout, and the holdout: a tenth of train, at least 100 and at most 1000 rows.

    Whole groups of rows that share a text are taken in hash order until there are enough rows, so there may be a few
    more. Groups larger than a quarter of the holdout stay in train, and so do groups with an unlabeled row. Unlabeled
    rows do not count in the sizes above. Both parts have the `official_rows` of train. Raises DataError if the holdout
    cannot have 100 rows or would take more than half of train.
    """
    labeled = len(train) - train.unlabeled
    target = min(max(LEAST, labeled // SHARE), MOST)
    taken: set[int] = set()
    for group in _shuffled(groups_by_text(train.texts), train.uids):
        if len(taken) >= target:
            break
        known = train.labels is None or all(train.labels[row] is not None for row in group)
        if known and len(group) <= min(target // 4, MOST - len(taken)):
            taken.update(group)
    if len(taken) < LEAST or 2 * len(taken) > labeled:
        raise DataError(f"{task.name}: {labeled} training rows are too few to hold out {target} of them.")
    rest = take(train, [row for row in range(len(train)) if row not in taken])
    return rest, replace(take(train, sorted(taken)), split=HOLDOUT, skipped=0)


def _shuffled(groups: list[list[int]], uids: Sequence[str]) -> list[list[int]]:
    """Return the groups, sorted by the hash of one member each.

    Sorting by the smallest hash of all members would favor large groups.
    """
    return sorted(groups, key=lambda group: order_key("holdout", min(uids[row] for row in group)))


def groups_by_text(texts: Sequence[tuple[str, ...]]) -> list[list[int]]:
    """Return the row numbers in groups; rows that share a text, directly or through other rows, are in one group.

    Algorithm: union-find over the rows with path halving.
    """
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
