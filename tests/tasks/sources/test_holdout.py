"""A holdout of train: its size, that no text is on both sides, and that it depends on ids alone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from matekd_bench.errors import DataError
from matekd_bench.tasks.sources.example_ids import example_ids, take
from matekd_bench.tasks.sources.holdout import groups_by_text, split_holdout
from matekd_bench.tasks.task import Examples
from matekd_tasks import matekd_bench_tasks

RTE = next(task for task in matekd_bench_tasks() if task.name == "rte")


def examples(texts: Sequence[tuple[str, ...]]) -> Examples:
    uids = example_ids("rte", "train", texts)
    return Examples("train", uids, tuple(texts), tuple(row % 2 for row in range(len(texts))), len(texts))


def singles(count: int) -> Examples:
    return examples([(f"premise {row}", f"hypothesis {row}") for row in range(count)])


def test_rows_that_share_a_text_are_in_one_group() -> None:
    texts = [("a", "b"), ("c", "d"), ("b", "c"), ("e", "f"), ("g", "g"), ("f", "x")]
    assert groups_by_text(texts) == [[0, 1, 2], [3, 5], [4]]


@pytest.mark.parametrize(("rows", "held"), [(400, 100), (3000, 300), (12000, 1000)])
def test_size_is_a_tenth_within_bounds(rows: int, held: int) -> None:
    rest, holdout = split_holdout(RTE, singles(rows))
    assert (len(rest), len(holdout)) == (rows - held, held)
    assert (holdout.split, rest.split) == ("holdout", "train")
    assert set(rest.uids).isdisjoint(holdout.uids)


def test_no_text_is_on_both_sides() -> None:
    texts = [(f"premise {row // 3}", f"hypothesis {row % 700}") for row in range(2000)]
    rest, holdout = split_holdout(RTE, examples(texts + [(f"p{row}", f"h{row}") for row in range(2000)]))
    inside = {text for row in holdout.texts for text in row}
    assert inside.isdisjoint(text for row in rest.texts for text in row)
    assert 400 <= len(holdout) < 500


def test_the_file_order_does_not_matter() -> None:
    train = singles(500)
    order = random.Random(0).sample(range(500), 500)
    assert set(split_holdout(RTE, train)[1].uids) == set(split_holdout(RTE, take(train, order))[1].uids)


def test_labels_stay_with_their_rows() -> None:
    train = singles(300)
    gold = dict(zip(train.uids, train.labels or (), strict=True))
    for part in split_holdout(RTE, train):
        assert all(gold[uid] == label for uid, label in zip(part.uids, part.labels or (), strict=True))


def test_too_few_rows_are_an_error() -> None:
    with pytest.raises(DataError, match="rte: 150 "):
        split_holdout(RTE, singles(150))
    with pytest.raises(DataError, match="too few"):
        split_holdout(RTE, examples([("the same", f"other {row}") for row in range(500)]))


def test_rows_without_a_label_are_never_held_out() -> None:
    train = singles(1400)
    half = replace(
        train, labels=tuple(label if row < 1200 else None for row, label in enumerate(train.labels or ()))
    )
    rest, held_out = split_holdout(RTE, half)
    assert (len(held_out), held_out.unlabeled, rest.unlabeled) == (120, 0, 200)
