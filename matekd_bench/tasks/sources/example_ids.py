"""Identifies examples: ids, digests of splits, and an order that does not depend on the file."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from matekd_bench.files.hashing import canonical, lines_digest, short_digest
from matekd_bench.tasks.task import Examples


def example_ids(task: str, split: str, texts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return one id per row: a hash of task, split, texts and occurrence number, as 16 hexadecimal digits."""
    occurrences: Counter[tuple[str, ...]] = Counter()
    ids = []
    for row in texts:
        ids.append(short_digest([task, split, row, occurrences[row]]))
        occurrences[row] += 1
    return tuple(ids)


def split_digest(examples: Examples) -> str:
    """Return the SHA-256 of a split's ids, texts and labels, row by row."""
    labels = examples.labels or (None,) * len(examples)
    rows = zip(examples.uids, examples.texts, labels, strict=True)
    return lines_digest(canonical(row) for row in rows)


def take(examples: Examples, rows: Sequence[int]) -> Examples:
    """Return the given rows of `examples`, in the given order."""
    labels = examples.labels
    return replace(
        examples,
        uids=tuple(examples.uids[row] for row in rows),
        texts=tuple(examples.texts[row] for row in rows),
        labels=None if labels is None else tuple(labels[row] for row in rows),
    )


def order_key(purpose: str, uid: str) -> bytes:
    """Return a sort key that shuffles ids, in the same way on every machine and differently for each `purpose`."""
    return hashlib.sha256(f"{purpose}/{uid}".encode()).digest()
