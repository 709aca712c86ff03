"""Takes a dev split out of train if the data have none: by example hash, in proportion to the labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from matekd_bench.errors import DataError
from matekd_bench.tasks.sources.example_ids import example_ids, order_key
from matekd_bench.tasks.task import Rows, Task


def split_dev_share(task: Task, rows: Rows) -> tuple[Rows, Rows]:
    """Return train and dev of a task whose only rows are these: `task.dev_share` of each label's rows become dev.

    Rows with the same texts stay together, and stay in train if one of them has no label. The others are taken in the
    order of their hash, so the split depends neither on the order of the file nor on a seed. A label with at least two
    different texts has one on each side. The scores of a regression count as one label. Raises DataError if no row is
    left for train or dev.
    """
    taken = set(_chosen(task, rows, task.dev_share or 0.0))
    if not 0 < len(taken) < len(rows.texts):
        raise DataError(
            f"{task.name}: {len(rows.texts)} rows are too few to take {task.dev_share:g} of them as dev."
        )
    kept = [row for row in range(len(rows.texts)) if row not in taken]
    return _only(rows, kept, rows.skipped), _only(rows, sorted(taken), 0)


def _chosen(task: Task, rows: Rows, share: float) -> list[int]:
    """Return the numbers of the rows of dev."""
    chosen: list[int] = []
    for groups in _strata(task, rows).values():
        ordered = sorted(
            groups, key=lambda texts: order_key("dev-share", example_ids(task.name, "train", [texts])[0])
        )
        target = max(1, round(share * sum(map(len, groups.values()))))
        count = 0
        for texts in ordered[: len(ordered) - 1]:  # the last one stays in train
            if count and count + len(groups[texts]) > target:
                continue
            chosen += groups[texts]
            count += len(groups[texts])
            if count >= target:
                break
    return chosen


def _strata(task: Task, rows: Rows) -> Mapping[Any, Mapping[tuple[str, ...], list[int]]]:
    """Return by label, then by texts, the rows that may become dev; texts with several labels count for the first."""
    by_texts: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row, texts in enumerate(rows.texts):
        by_texts[texts].append(row)
    labels: Sequence[Any] = rows.labels or ()
    strata: dict[Any, dict[tuple[str, ...], list[int]]] = defaultdict(dict)
    for texts, group in by_texts.items():
        own = [labels[row] for row in group]
        if None not in own:
            strata[min(own) if task.labels else None][texts] = group
    return strata


def _only(rows: Rows, chosen: Sequence[int], skipped: int) -> Rows:
    labels: Sequence[Any] = rows.labels or ()
    return Rows([rows.texts[row] for row in chosen], [labels[row] for row in chosen], skipped)
