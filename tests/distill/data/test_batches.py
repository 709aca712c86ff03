"""The data order, the schedule of updates, padding, assembly and the background thread."""

from __future__ import annotations

import random
import threading
from itertools import chain, count, islice

import pytest
import torch

from matekd_bench import Cycle, Encoded
from matekd_bench.distill.data.batches import Assembler, Prefetch, pad, to_device
from matekd_bench.distill.data.corpus import Corpus
from matekd_bench.distill.data.order import DataOrder, PlannedUpdate, grouped_order, schedule
from matekd_bench.seeds import seed_of

LENGTHS = random.Random(0).choices(range(4, 64), k=1000)


def epochs(order, number):
    """The batches of the first epochs, epoch by epoch."""
    found = [[] for _ in range(number)]
    for epoch, rows in order:
        if epoch == number:
            return found
        found[epoch].append(rows)
    raise AssertionError("an order has no end")


def waste(batches, lengths):
    """The share of positions that are padding."""
    padded = sum(len(rows) * max(lengths[row] for row in rows) for rows in batches)
    return 1 - sum(lengths) / padded


@pytest.mark.parametrize("size", [1, 7, 32, 5000])
def test_every_row_comes_once_an_epoch(size):
    for batches in epochs(DataOrder(LENGTHS, size, 3, "rte", "data-order"), 2):
        assert sorted(chain.from_iterable(batches)) == list(range(1000))
        assert sorted(map(len, batches)) == sorted(
            [size] * (1000 // size) + [1000 % size] * (1000 % size > 0)
        )


def test_the_order_depends_on_seed_task_purpose_and_epoch_alone():
    def first(seed=3, task="rte", purpose="data-order"):
        return epochs(DataOrder(LENGTHS, 32, seed, task, purpose), 2)

    base = first()
    assert first() == base
    assert base[0] != base[1]
    assert all(
        first(**other) != base for other in ({"seed": 4}, {"task": "mrpc"}, {"purpose": "own-data-order"})
    )


def test_batches_hold_rows_of_similar_length_in_random_order():
    batches = grouped_order(LENGTHS, 32, seed=5)
    shuffled = random.Random(1).sample(range(1000), 1000)
    plain = [shuffled[start : start + 32] for start in range(0, 1000, 32)]
    assert waste(batches, LENGTHS) < 0.05 < 0.3 < waste(plain, LENGTHS)
    longest = [max(LENGTHS[row] for row in rows) for rows in batches]
    assert longest != sorted(longest)


def test_no_rows_are_an_error_and_no_endless_search():
    with pytest.raises(ValueError, match="no rows"):
        DataOrder([], 32, 0, "rte", "data-order")


def plan(cycle, updates):
    student, own = (DataOrder(LENGTHS, 32, 3, "rte", purpose) for purpose in ("data-order", "own-data-order"))
    return list(islice(schedule(student, own, cycle), updates))


@pytest.mark.parametrize(
    ("cycle", "phases"), [(None, 12 * "s"), (Cycle(auxiliary=2, student=3), "oosssoosssoo")]
)
def test_auxiliary_updates_come_before_the_students(cycle, phases):
    planned = plan(cycle, 12)
    assert "".join(one.phase[0] for one in planned) == phases
    for phase in ("own", "student"):
        assert [one.update for one in planned if one.phase == phase] == list(range(phases.count(phase[0])))
    assert [one.epoch for one in plan(None, 34)[30:]] == [0, 0, 1, 1]  # 32 batches make an epoch


def test_auxiliary_updates_leave_the_students_batches_as_they_are():
    with_own = [one for one in plan(Cycle(auxiliary=5, student=2), 100) if one.phase == "student"]
    assert with_own == plan(None, len(with_own))


def test_a_cycle_may_eat_the_students_stream_as_the_original_matekd_does():
    planned = plan(Cycle(auxiliary=2, student=3, stream="student"), 40)
    assert [one.rows for one in planned] == [one.rows for one in plan(None, 40)]


def test_padding_goes_to_the_longest_and_is_marked_everywhere():
    rows = [Encoded([2, 9, 3], [0, 0, 0], [True, False, True]), Encoded([2, 3], [0, 1], [True, True])]
    ids, mask, special, types = pad(rows, pad_id=7)
    assert ids.tolist() == [[2, 9, 3], [2, 3, 7]]
    assert mask.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert special.tolist() == [[True, False, True], [True, True, True]]
    assert types.tolist() == [[0, 0, 0], [0, 1, 0]]
    assert pad([Encoded([2, 3], None, [True, True])], 0)[3] is None


def make_corpus(logits=True):
    encoded = [Encoded([2, *range(10, 10 + row), 3], None, [True, *[False] * row, True]) for row in range(4)]
    return Corpus(
        uids=[f"u{row}" for row in range(4)], texts=[(f"text {row}",) for row in range(4)], encoded=encoded,
        labels=torch.tensor([0, 1, 1, 0]), pad=0,
        teacher_logits=torch.arange(8.0).reshape(4, 2) if logits else None,
    )  # fmt: skip


def test_a_batch_is_assembled_from_its_rows():
    batch = Assembler(make_corpus(), 0, "rte")(PlannedUpdate("student", 5, 2, [3, 1]))
    assert (list(batch.uids), list(batch.lengths)) == (["u3", "u1"], [5, 3])
    assert batch.ids.tolist() == [[2, 10, 11, 12, 3], [2, 10, 3, 0, 0]]
    assert batch.labels.tolist() == [0, 1]
    assert batch.teacher_logits.tolist() == [[6.0, 7.0], [2.0, 3.0]]
    assert (batch.update, batch.epoch, batch.phase, batch.total, batch.offset) == (5, 2, "student", 2, 0)
    assert (batch.prepared, batch.types) == (None, None)
    assert (
        Assembler(make_corpus(logits=False), 0, "rte")(PlannedUpdate("student", 0, 0, [1])).teacher_logits
        is None
    )


def test_what_a_method_prepares_is_keyed_by_example_and_epoch_and_skipped_in_own_phases():
    asked = []

    def ahead(rows):
        asked.append([(row.uid, row.texts, row.epoch, row.seed("text")) for row in rows])
        return [row.uid for row in rows]

    assemble = Assembler(make_corpus(), 9, "rte", ahead)
    assert assemble(PlannedUpdate("student", 5, 2, [3, 1])).prepared == ["u3", "u1"]
    assert asked == [
        [(f"u{row}", (f"text {row}",), 2, seed_of(9, "rte", "text", 2, f"u{row}")) for row in (3, 1)]
    ]
    assert assemble(PlannedUpdate("own", 5, 2, [3, 1])).prepared is None
    assert len(asked) == 1


def test_a_batch_on_its_device_is_left_alone_and_moved_otherwise():
    batch = Assembler(make_corpus(), 0, "rte")(PlannedUpdate("student", 0, 0, [0, 1]))
    assert to_device(batch, torch.device("cpu")) is batch
    moved = to_device(batch, torch.device("meta"))
    assert {moved.ids.device.type, moved.teacher_logits.device.type, moved.labels.device.type} == {"meta"}
    assert moved.types is None


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "matekd-bench-data"]


def test_items_come_in_order_from_another_thread_which_ends_on_close():
    names = []

    def items():
        for number in count():
            names.append(threading.current_thread().name)
            yield number

    ahead = Prefetch(items())
    assert list(islice(ahead, 20)) == list(range(20))
    assert set(names) == {"matekd-bench-data"}
    assert len(threads()) == 1
    ahead.close()
    assert threads() == []
    assert len(names) <= 20 + 4 + 2  # it never runs far ahead


def test_an_exception_reaches_the_consumer_and_ends_the_thread():
    def items():
        yield 1
        raise ZeroDivisionError("in the background")

    ahead = Prefetch(items())
    assert next(ahead) == 1
    with pytest.raises(ZeroDivisionError, match="in the background"):
        next(ahead)
    assert threads() == []
    with pytest.raises(StopIteration):
        next(ahead)


def test_the_end_of_the_items_is_the_end_of_the_iteration():
    assert list(Prefetch(iter([1, 2, 3]))) == [1, 2, 3]
    assert threads() == []
