"""A dev split out of train: its size by label, that no text is on both sides, and that it depends on ids alone."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from matekd_bench.errors import DataError
from matekd_bench.tasks.sources.dev_share import split_dev_share
from matekd_bench.tasks.task import Rows
from matekd_tasks import matekd_bench_tasks

SST2 = replace(next(task for task in matekd_bench_tasks() if task.name == "sst2"), dev_share=0.2)
LABELS = [0] * 90 + [1] * 10


def rows(texts: list[str], labels: list[Any]) -> Rows:
    return Rows([(text,) for text in texts], labels)


def unique(labels: list[Any]) -> Rows:
    return rows([f"text {row}" for row in range(len(labels))], labels)


def test_every_label_gives_its_share() -> None:
    train, dev = split_dev_share(SST2, unique(LABELS))
    assert (Counter(train.labels), Counter(dev.labels)) == ({0: 72, 1: 8}, {0: 18, 1: 2})
    assert sorted([*train.texts, *dev.texts]) == sorted(unique(LABELS).texts)


def test_the_file_order_does_not_matter_and_labels_stay_with_their_texts() -> None:
    order = random.Random(0).sample(range(100), 100)
    shuffled = rows([f"text {row}" for row in order], [LABELS[row] for row in order])

    def pairs(part: Rows) -> set[tuple[tuple[str, ...], Any]]:
        return set(zip(part.texts, part.labels or (), strict=True))

    for part, other in zip(
        split_dev_share(SST2, unique(LABELS)), split_dev_share(SST2, shuffled), strict=True
    ):
        assert pairs(part) == pairs(other)
        assert all(label == LABELS[int(text.split()[1])] for (text,), label in pairs(part))


def test_no_text_is_on_both_sides() -> None:
    repeated = rows([f"text {row % 60}" for row in range(100)], [row % 60 % 2 for row in range(100)])
    train, dev = split_dev_share(SST2, repeated)
    assert set(train.texts).isdisjoint(dev.texts)
    assert len(dev.texts) == 20


def test_rows_without_a_label_and_their_copies_stay_in_train() -> None:
    labels = [*LABELS, *[None] * 30]
    copies = rows([f"text {row}" for row in range(100)] + [f"text {row}" for row in range(30)], labels)
    train, dev = split_dev_share(SST2, copies)
    assert (dev.labels or []).count(None) == 0
    assert {f"text {row}" for row in range(30)}.isdisjoint(text for (text,) in dev.texts)
    assert (train.labels or []).count(None) == 30
    assert (
        len(dev.texts) == round(0.2 * 60) + 2
    )  # 60 of the label 0 are left to choose from, 10 of the label 1


def test_a_rare_label_is_on_both_sides_and_a_single_row_in_train() -> None:
    train, dev = split_dev_share(
        replace(SST2, labels=("a", "b", "c"), label_values={}), unique([0] * 20 + [1, 1, 2])
    )
    assert Counter(dev.labels) == {0: 4, 1: 1}
    assert Counter(train.labels) == {0: 16, 1: 1, 2: 1}


def test_scores_are_one_label() -> None:
    task = replace(SST2, kind="regression", labels=(), label_values={})
    assert len(split_dev_share(task, unique([row / 7 for row in range(50)]))[1].texts) == 10


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(DataError, match=r"2 rows.*0\.2"):
        split_dev_share(SST2, unique([0, 1]))
