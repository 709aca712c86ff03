"""What is taken first, what has to wait, and how many runs share a device."""

from __future__ import annotations

import os

import pytest
import torch

from matekd_bench.distill.device import cores
from matekd_bench.errors import UsageError
from matekd_bench.study.execute.device_slots import DeviceSlot, Kind, SlotPacking
from matekd_bench.study.execute.job_count import list_slots, resolve_jobs, threads_per_run
from matekd_bench.study.execute.work_queue import RETRY_SECONDS, WorkQueue
from matekd_bench.study.plan.work_items import WorkItem

GIB = 2**30
KD, MATEKD = Kind("kd", "rte"), Kind("matekd", "rte")
WORK = [
    WorkItem("teacher for a", "a", 5, prepares=("teacher",)),
    WorkItem("a1", "a", 10, "kd", frozenset({"teacher for a"})),
    WorkItem("a2", "a", 9, "eda", frozenset({"teacher for a"})),
    WorkItem("b1", "b", 12, "kd"),
    WorkItem("b2", "b", 3, "eda"),
]


def taken(queue: WorkQueue, preferred_task: str | None = None) -> list[str]:
    """Take all that can be taken now, by id."""
    ids = []
    while (item := queue.take(preferred_task=preferred_task)) is not None:
        ids.append(item.id)
    return ids


def test_the_longest_path_goes_first_and_teachers_before_their_runs() -> None:
    queue, order = WorkQueue(WORK), []
    assert len(queue) == 4
    assert WorkQueue(WORK).take(lambda item: item.method == "eda") == WORK[4]
    assert WorkQueue(WORK).take(lambda item: item.method == "aeda") is None
    while (item := queue.take()) is not None:
        order.append(item.id)
        queue.complete(item.id)
    assert order == ["teacher for a", "b1", "a1", "a2", "b2"]  # 5 + 10, 12, 10, 9, 3
    assert len(queue) == 0


def test_the_reference_goes_before_all_other_runs() -> None:
    assert taken(WorkQueue(WORK, "eda")) == ["b2", "teacher for a", "b1"]
    work = [WorkItem("a1", "a", 10, "eda"), WorkItem("b1", "b", 9, "eda"), WorkItem("a2", "a", 2, "kd")]
    assert taken(WorkQueue(work, "kd"), preferred_task="b") == ["a2", "b1", "a1"]


def test_items_that_wait_are_not_handed_out() -> None:
    queue = WorkQueue(WORK)
    assert taken(queue) == ["teacher for a", "b1", "b2"]
    assert (len(queue), queue.needs("a"), queue.needs("b")) == (2, True, False)
    queue.complete("b1")
    assert taken(queue) == []
    queue.complete("teacher for a")
    assert taken(queue) == ["a1", "a2"]
    assert not queue.needs("a")


def test_a_run_that_waits_for_two_items_starts_after_both() -> None:
    both = WorkItem("a1", "a", 10, "matekd", frozenset({"teacher for a", "generator for a"}))
    made = WorkItem("generator for a", "a", 1, prepares=("generator",))
    queue = WorkQueue([WORK[0], made, both])
    assert taken(queue) == ["teacher for a", "generator for a"]
    queue.complete("generator for a")
    assert taken(queue) == []
    queue.complete("teacher for a")
    assert taken(queue) == ["a1"]


def test_nearly_as_long_work_on_the_preferred_task_goes_first() -> None:
    work = [WorkItem("a1", "a", 10, "kd"), WorkItem("b1", "b", 9, "kd"), WorkItem("b2", "b", 4, "kd")]
    assert taken(WorkQueue(work), preferred_task="b") == ["b1", "a1", "b2"]


def test_an_item_that_is_put_back_is_available_again_after_some_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr("matekd_bench.study.execute.work_queue.time.monotonic", lambda: now)
    queue = WorkQueue(WORK[3:])
    held = queue.take()
    assert held == WORK[3]
    queue.put_back(WORK[3])
    assert (len(queue), queue.needs("b")) == (2, True)
    assert taken(queue) == ["b2"]
    now += RETRY_SECONDS / 2
    queue.put_back(WORK[4])  # does not delay the first
    assert taken(queue) == []
    now += RETRY_SECONDS / 2
    assert taken(queue) == ["b1", "b2"]
    now += 10 * RETRY_SECONDS
    assert taken(queue) == []


def test_a_gpu_is_packed_by_measured_memory() -> None:
    gpu = DeviceSlot("cuda:0", {"CUDA_VISIBLE_DEVICES": "0"}, 16 * GIB)
    packing = SlotPacking([gpu], jobs=8)
    assert packing.slot_for(KD) == gpu
    packing.begin(gpu, KD)
    assert packing.slot_for(KD) is None  # nobody knows yet what it takes
    packing.record_peak(KD, 4 * GIB)  # with margin and context 5.8 GiB
    assert packing.slot_for(KD) == gpu
    assert packing.slot_for(MATEKD) is None  # not measured: 13 GiB are assumed
    packing.begin(gpu, KD)
    assert packing.slot_for(KD) is None  # three would be 17.4 GiB
    packing.end(gpu, KD)
    packing.end(gpu, KD)
    packing.begin(gpu, MATEKD)
    assert packing.slot_for(KD) is None
    packing.record_peak(MATEKD, 7 * GIB)
    assert packing.slot_for(KD) == gpu
    packing.record_peak(MATEKD, 13 * GIB)  # a longer batch came
    packing.record_peak(MATEKD, 2 * GIB)
    assert packing.slot_for(KD) is None


def test_runs_of_one_seed_share_a_gpu_though_each_is_of_another_kind() -> None:
    gpu = DeviceSlot("cuda:0", memory=80 * GIB)
    packing = SlotPacking([gpu], jobs=8)
    packing.begin(gpu, KD)
    packing.record_peak(KD, 2 * GIB)
    assert packing.slot_for(MATEKD) == gpu
    packing.begin(gpu, MATEKD)
    assert packing.slot_for(Kind("eda", "rte")) is None  # one unmeasured kind at a time
    packing.record_peak(MATEKD, 5 * GIB)
    assert packing.slot_for(Kind("eda", "rte")) == gpu


def test_a_teacher_in_training_leaves_the_rest_of_the_gpu_to_others() -> None:
    gpu = DeviceSlot("cuda:0", memory=48 * GIB)
    packing = SlotPacking([gpu], jobs=8)
    teacher, other_teacher = Kind("", "rte"), Kind("", "mnli")
    packing.begin(gpu, teacher)
    assert packing.slot_for(other_teacher) is None
    packing.record_peak(teacher, 8 * GIB)
    assert packing.slot_for(other_teacher) == gpu  # 10.6 and 25 GiB
    packing.record_peak(KD, GIB)
    packing.begin(gpu, other_teacher)
    assert packing.slot_for(KD) == gpu  # a run, measured before
    packing.record_peak(other_teacher, 20 * GIB)
    assert packing.slot_for(MATEKD) == gpu  # a run takes what runs take: 4 GiB are assumed, not 61


def test_runs_are_spread_over_places_up_to_the_number_of_jobs() -> None:
    first, second = DeviceSlot("cuda:0", memory=99 * GIB), DeviceSlot("cuda:1", memory=99 * GIB)
    packing = SlotPacking([first, second], jobs=3)
    packing.record_peak(KD, 40 * GIB)
    began = []
    while (place := packing.slot_for(KD)) is not None:
        packing.begin(place, KD)
        began.append(place.name)
    assert began == ["cuda:0", "cuda:1", "cuda:0"]
    packing.end(first, KD)
    packing.end(first, KD)
    assert packing.slot_for(MATEKD) == first  # alone there
    [cpu] = list_slots(torch.device("cpu"))
    packing = SlotPacking([cpu], jobs=2)
    for kind in (KD, MATEKD):
        assert packing.slot_for(kind) == cpu
        packing.begin(cpu, kind)
    assert packing.slot_for(KD) is None


def test_how_many_jobs_are_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matekd_bench.study.execute.job_count.cores", lambda: 6)
    cpu = torch.device("cpu")
    assert resolve_jobs("3", cpu, 2) == 3
    assert [resolve_jobs("auto", cpu, threads) for threads in (None, 1, 2, 4, 12)] == [6, 6, 3, 1, 1]
    assert resolve_jobs("auto", torch.device("mps"), None) == 1
    assert [threads_per_run(3, 2), threads_per_run(6, None), threads_per_run(12, None)] == [2, 1, 1]


def test_cores_are_those_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cores() == 1  # as these tests have it
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "many")
    with pytest.raises(UsageError, match=r"LOKY_MAX_CPU_COUNT.*'many'"):
        cores()
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT")
    assert 1 <= cores() <= (os.cpu_count() or 1)
