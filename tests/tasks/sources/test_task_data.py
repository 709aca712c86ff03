"""Loading a task: ids, digests, limits, holdout, what is partial, and what is said about it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from matekd_bench.errors import DataError, UsageError
from matekd_bench.tasks.sources import MissingSplitError, load_split, load_task
from matekd_bench.tasks.sources.example_ids import example_ids, split_digest
from matekd_bench.tasks.task import BY_ROW_COUNTS, Rows, Split, Task, TaskData
from matekd_tasks import matekd_bench_tasks

MNLI = next(task for task in matekd_bench_tasks() if task.name == "mnli")
RTE = next(task for task in matekd_bench_tasks() if task.name == "rte")


@dataclass
class Memory:
    """A source whose splits are given; it notes which were read."""

    splits: dict[str, Rows]
    name: str = "memory"
    asked: list[str] = field(default_factory=list)

    def revision(self, task: Task) -> str | None:
        return "r1"

    def read(self, task: Task, split: str) -> Rows:
        self.asked.append(split)
        if split not in self.splits:
            raise MissingSplitError(f"no {split} here, but there.", absent=f"no {split}")
        return self.splits[split]


def rows(count: int, prefix: str = "t", skipped: int = 0) -> Rows:
    return Rows(
        [(f"{prefix}{row}", f"h{prefix}{row}") for row in range(count)], [0, 1] * (count // 2), skipped
    )


def sized(task: Task, **counts: int) -> Task:
    """`task` with other official row counts."""
    official = {name.replace("_", "-"): count for name, count in counts.items()}
    splits = {
        name: replace(split, rows=official.get(name, split.rows), digest=None)
        for name, split in task.splits.items()
    }
    return replace(task, splits=splits)


def told(data: TaskData) -> list[list[str]]:
    """The numbers and splits of each notice."""
    return [re.findall(r"\d+|train|dev[-a-z]*", notice) for notice in data.notices]


SMALL = sized(RTE, train=400, dev=20)
SOURCE = {"train": rows(400), "dev": rows(20, "d")}


def test_the_whole_task_is_official_and_other_row_counts_are_partial() -> None:
    data = load_task(SMALL, Memory(SOURCE))
    assert (data.state, data.state_text, data.notices) == ("official", BY_ROW_COUNTS, ())
    assert (data.source, data.revision) == ("memory", "r1")
    assert (len(data.train), [len(dev) for dev in data.dev]) == (400, [20])
    assert set(data.digests) == {"train", "dev"}
    assert load_task(SMALL, Memory(SOURCE), limit_train=400, limit_eval=999) == data
    data = load_task(RTE, Memory(SOURCE))
    assert (data.state, data.state_text) == ("partial", "partial (train 400 of 2490, dev 20 of 277)")
    data = load_task(SMALL, Memory({**SOURCE, "train": rows(400, skipped=3)}))
    assert (data.state, told(data)) == ("official", [["3", "train"]])


def test_data_with_the_known_digests_are_official_and_other_rows_are_not() -> None:
    known = load_task(SMALL, Memory(SOURCE)).digests
    splits = {name: replace(SMALL.splits[name], digest=known.get(name)) for name in SMALL.splits}
    task = replace(SMALL, splits=splits)
    assert load_task(task, Memory(SOURCE)).state_text == "official"
    data = load_task(task, Memory({**SOURCE, "dev": rows(20, "other")}))
    assert (data.state, "train" in data.state_text, "dev" in data.state_text) == ("partial", False, True)
    assert load_task(task, Memory(SOURCE), limit_eval=5).state_text == "partial (dev 5 of 20)"


def test_an_absent_dev_set_is_left_out_and_said() -> None:
    task = sized(MNLI, train=20, dev_matched=10)
    data = load_task(task, Memory({"train": rows(20), "dev-matched": rows(10, "d")}))
    assert [dev.split for dev in data.dev] == ["dev-matched"]
    assert data.state_text == "partial (dev-mismatched absent)"
    assert told(data) == [["dev-mismatched", "dev-matched"]]


@pytest.mark.parametrize("present", [["train"], ["dev-matched", "dev-mismatched"]])
def test_absent_train_or_all_dev_is_an_error(present: list[str]) -> None:
    with pytest.raises(DataError, match=r"(train|dev-matched) "):
        load_task(MNLI, Memory({name: rows(10) for name in present}))


def test_limits_are_nested_keep_the_order_and_are_said() -> None:
    small, large = (load_task(SMALL, Memory(SOURCE), limit_train=limit, limit_eval=5) for limit in (30, 90))
    assert (len(small.train), len(large.train), len(small.dev[0])) == (30, 90, 5)
    assert set(small.train.uids) < set(large.train.uids)
    order = {uid: row for row, uid in enumerate(load_split(SMALL, Memory(SOURCE), "train").uids)}
    assert [order[uid] for uid in small.train.uids] == sorted(order[uid] for uid in small.train.uids)
    assert (small.state, told(small)) == ("partial", [["train", "30", "400"], ["dev", "5", "20"]])


def test_limits_do_not_depend_on_the_file_order() -> None:
    turned = Rows(list(reversed(SOURCE["train"].texts)), list(reversed(list(SOURCE["train"].labels or ()))))
    chosen = [
        load_task(SMALL, Memory({**SOURCE, "train": train}), limit_train=40).train
        for train in (SOURCE["train"], turned)
    ]
    assert set(zip(chosen[0].uids, chosen[0].labels or (), strict=True)) == set(
        zip(chosen[1].uids, chosen[1].labels or (), strict=True)
    )


def test_limits_are_not_biased_to_one_end_of_the_file() -> None:
    train = load_task(SMALL, Memory(SOURCE), limit_train=100).train
    positions = [int(texts[0][1:]) for texts in train.texts]
    assert 150 < sum(positions) / 100 < 250
    assert 30 < sum(train.labels or ()) < 70


@pytest.mark.parametrize("limits", [{"limit_train": 0}, {"limit_eval": -1}])
def test_limits_below_one_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="1"):
        load_task(SMALL, Memory(SOURCE), **limits)


def test_a_holdout_comes_from_train_and_dev_is_not_read() -> None:
    source = Memory(SOURCE)
    data = load_task(SMALL, source, eval_on="holdout", limit_train=50)
    assert source.asked == ["train"]
    assert ([dev.split for dev in data.dev], len(data.dev[0]), len(data.train)) == (["holdout"], 100, 50)
    assert data.state_text == "partial (train 50 of 400, holdout 100 of 400)"
    assert set(data.digests) == {"train", "holdout"}
    assert told(data)[0] == ["100", "train", "dev"]


def test_a_task_without_train_has_no_holdout() -> None:
    task = replace(RTE, train=None)
    assert load_task(task, Memory(SOURCE)).train is None
    with pytest.raises(UsageError, match="rte"):
        load_task(task, Memory(SOURCE), eval_on="holdout")


def test_ids_tell_tasks_splits_texts_and_repetitions_apart() -> None:
    ids = example_ids("rte", "train", [("a", "b"), ("a", "b"), ("ab", ""), ("b", "a")])
    others = [*example_ids("rte", "dev", [("a", "b")]), *example_ids("qnli", "train", [("a", "b")])]
    assert len({*ids, *others}) == 6
    assert all(len(uid) == 16 for uid in ids)
    assert example_ids("rte", "train", [("x",), ("a", "b")])[1] == ids[0]


def test_digests_see_ids_texts_and_labels() -> None:
    one = load_split(RTE, Memory({"dev": rows(4)}), "dev")
    assert split_digest(one) == split_digest(replace(one, skipped=1))
    changed = [
        replace(one, labels=(0, 1, 0, 0)),
        replace(one, labels=None),
        replace(one, texts=(*one.texts[:3], ("t3", "other"))),
        replace(one, uids=(*one.uids[:3], "0")),
    ]
    assert len({split_digest(examples) for examples in [one, *changed]}) == 5


def test_a_split_may_be_named_otherwise() -> None:
    task = replace(RTE, train="more", splits={**RTE.splits, "more": Split("more", "more.tsv", 4)})
    data = load_task(task, Memory({"more": rows(4), "dev": rows(2, "d")}))
    assert data.train.split == "more"


def test_a_test_split_has_no_labels_and_an_unknown_split_names_the_nearest() -> None:
    test = load_split(RTE, Memory({"test": Rows([("A", "B")], None)}), "test")
    assert (test.labels, len(test), test.official_rows) == (None, 1, 3000)
    with pytest.raises(UsageError, match=r"'tests'.*'test'"):
        load_split(RTE, Memory({}), "tests")
