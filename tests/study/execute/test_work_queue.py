"""What is taken first, what has to wait, and how many runs share a device."""

from __future__ import annotations

import os

import pytest
import torch
from matekd_bench.study.plan.forecast import WorkItem

from matekd_bench.distill.device import cores
from matekd_bench.errors import UsageError
from matekd_bench.study.execute.device_slots import CONTEXT_BYTES, DeviceSlot, SlotPacking
from matekd_bench.study.execute.job_count import list_slots, resolve_jobs, threads_per_run
from matekd_bench.study.execute.work_queue import WorkQueue

GIB = 2**30
WORK = [
    WorkItem("teacher of a", 5, "a"),
    WorkItem("a1", 10, "a", "kd", "teacher of a"),
    WorkItem("a2", 9, "a", "eda", "teacher of a"),
    WorkItem("b1", 12, "b", "kd"),
    WorkItem("b2", 3, "b", "eda"),
]


def test_the_longest_way_goes_first_and_teachers_before_their_runs() -> None:
    agenda, order = WorkQueue(WORK), []
    assert len(agenda) == 4
    while (work := agenda.take()) is not None:
        order.append(work.name)
        agenda.complete(work)
    assert order == ["teacher of a", "b1", "a1", "a2", "b2"]  # 5 + 10, 12, 10, 9, 3
    assert len(agenda) == 0


def test_what_waits_is_not_handed_out() -> None:
    agenda = WorkQueue(WORK)
    teacher = agenda.take()
    assert [work.name for _ in range(2) if (work := agenda.take())] == ["b1", "b2"]
    assert agenda.take() is None
    assert len(agenda) == 2
    assert teacher is not None
    agenda.complete(teacher)
    assert len(agenda) == 2


def test_nearly_as_long_work_on_the_data_at_hand_is_preferred() -> None:
    work = [
        WorkItem(f"{task}{n}", seconds, task, "kd")
        for task, n, seconds in (("a", 1, 10), ("b", 1, 9), ("b", 2, 4))
    ]
    agenda = WorkQueue(work)
    assert [agenda.take(preferred_task="b").name for _ in range(3)] == ["b1", "a1", "b2"]  # type: ignore[union-attr]


def test_what_is_put_back_comes_again_when_it_is_time() -> None:
    agenda = WorkQueue(WORK[3:])
    held = agenda.take()
    assert held is not None
    agenda.put_back(held)
    assert len(agenda) == 2
    assert [agenda.take(), agenda.take()] == [WORK[4], None]
    agenda.retry()
    assert agenda.take() == held


def test_only_fitting_work_is_taken() -> None:
    agenda = WorkQueue(WORK)
    assert agenda.take(lambda work: work.method == "eda") == WORK[4]
    assert agenda.take(lambda work: work.method == "eda") is None


def test_a_gpu_is_packed_once_the_first_run_of_a_kind_is_measured() -> None:
    gpu = DeviceSlot("cuda:0", {"CUDA_VISIBLE_DEVICES": "0"}, 16 * GIB)
    packing = SlotPacking([gpu], jobs=8)
    assert packing.slot_for("kd") == gpu
    packing.begin(gpu, "kd")
    assert packing.slot_for("kd") is None  # nobody knows yet what it takes
    packing.record_peak("kd", 4 * GIB)  # with margin and context 5.8 GiB
    assert packing.slot_for("kd") == gpu
    assert packing.slot_for("matekd") is None
    packing.begin(gpu, "kd")
    assert packing.slot_for("kd") is None  # three would be 17.4 GiB
    packing.end(gpu, "kd")
    packing.end(gpu, "kd")
    packing.begin(gpu, "matekd")
    assert packing.slot_for("kd") is None
    packing.record_peak("matekd", 7 * GIB)
    assert packing.slot_for("kd") == gpu
    packing.record_peak("matekd", 13 * GIB)  # a longer batch came
    packing.record_peak("matekd", 2 * GIB)
    assert packing.slot_for("kd") is None
    assert CONTEXT_BYTES == GIB


def test_runs_are_spread_over_places_up_to_the_number_of_jobs() -> None:
    first, second = DeviceSlot("cuda:0", memory=99 * GIB), DeviceSlot("cuda:1", memory=99 * GIB)
    packing = SlotPacking([first, second], jobs=3)
    packing.record_peak("kd", GIB)
    began = []
    while (place := packing.slot_for("kd")) is not None:
        packing.begin(place, "kd")
        began.append(place.name)
    assert began == ["cuda:0", "cuda:1", "cuda:0"]
    packing.end(first, "kd")
    packing.end(first, "kd")
    assert packing.slot_for("new") == first  # alone there


def test_a_cpu_takes_as_many_as_there_are_jobs() -> None:
    [cpu] = list_slots(torch.device("cpu"))
    packing = SlotPacking([cpu], jobs=2)
    packing.begin(cpu, "kd")
    assert packing.slot_for("eda") == cpu
    packing.begin(cpu, "eda")
    assert packing.slot_for("eda") is None


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
    with pytest.raises(UsageError, match="LOKY_MAX_CPU_COUNT is 'many', not a number"):
        cores()
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT")
    assert 1 <= cores() <= (os.cpu_count() or 1)
