"""Which device each process of a study gets, on made-up machines with several GPUs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from matekd_bench.distill import device as devices
from matekd_bench.errors import UsageError
from matekd_bench.events import Sink
from matekd_bench.plugins.host import Host
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.execute import placement as placements
from matekd_bench.study.execute.backends.worker_processes import WorkerProcesses
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.job_count import list_slots
from matekd_bench.study.execute.launcher import own_device, slurm_tasks_here
from matekd_bench.study.execute.placement import Placement, SchedulerFactory, make_placement
from matekd_bench.study.plan.grid import Grid
from matekd_bench.study.spec.request import make_request

HOST = Host.load(only_builtin=True)
VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "CUDA_VISIBLE_DEVICES")
TORCHRUN = {"RANK": "5", "LOCAL_RANK": "1", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "2"}
SLURM = {"SLURM_STEP_NUM_TASKS": "7", "SLURM_STEP_TASKS_PER_NODE": "2(x3),1", "SLURM_LOCALID": "1"}


class About:
    """What torch says of a GPU."""

    total_memory = 80 * 2**30


@pytest.fixture(autouse=True)
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two GPUs that no launcher has touched."""
    for name in (*VARIABLES, *SLURM):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: About)
    monkeypatch.setattr(devices, "cuda_problem", lambda index=0: None)


def placed(**options: object) -> Placement:
    request = make_request({"methods": "kd", "tasks": "rte", **options}, HOST)
    return make_placement(request)


def shared_device(placement: Placement) -> str:
    """The device that another process of the study is told."""
    study = SchedulerFactory(placement, HOST, Interruptions()).shared_study()
    return str(json.loads(study.to_json())["request"]["execution"]["device"])


def test_runs_at_a_time_are_spread_over_all_gpus_or_stay_on_the_named_one() -> None:
    everywhere = placed(device="cuda", jobs=4)
    assert [slot.name for slot in list_slots(everywhere.device)] == ["cuda:0", "cuda:1"]
    named = placed(device="cuda:1", jobs=2)
    [slot] = list_slots(named.device)
    assert (slot.name, slot.environment) == ("cuda:1", {"CUDA_VISIBLE_DEVICES": "1"})
    # A worker sees this GPU alone, where it is number 0.
    assert [shared_device(placement) for placement in (everywhere, named)] == ["cuda", "cuda"]
    assert own_device(torch.device("cuda"), 1) == torch.device("cuda")


def test_workers_of_a_gpu_get_the_threads_that_were_asked_for(tmp_path: Path) -> None:
    placement = placed(device="cuda", jobs=2, threads=3)
    schedulers = SchedulerFactory(placement, HOST, Interruptions())
    grid = Grid(
        placement.request.spec, (), (), {}, None, placement.device, None, HOST
    )  # no threads in identities
    store = ResultsStore(tmp_path)
    scheduler = schedulers.scheduler(
        grid, store, (), schedulers.runner(grid, store, Sink()), runs=2, fail_fast=False
    )
    backend = scheduler._backend
    assert isinstance(backend, WorkerProcesses)
    assert (backend._threads, backend._study.request.spec.threads) == (3, 3)
    assert schedulers.shared_study().request.spec.threads == 3


@pytest.mark.parametrize("other", [{"executor": "ray"}, {"processes": 2}])
def test_jobs_of_a_config_file_count_as_those_of_the_option(other: dict[str, object], tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text("jobs = 2\n")
    with pytest.raises(UsageError, match="--jobs"):
        placed(device="cuda", config=file, **other)
    assert placed(device="cuda", preset="mini", **other).jobs == 1  # a preset's jobs give way


def test_a_worker_gets_the_name_that_the_gpu_has_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-5a, 7")
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in list_slots(torch.device("cuda"))] == [
        "GPU-5a", "7",
    ]  # fmt: skip
    [slot] = list_slots(placed(device="cuda:1", jobs=2).device)
    assert slot.environment == {"CUDA_VISIBLE_DEVICES": "7"}


@pytest.mark.parametrize(
    ("options", "variables", "device"),
    [
        ({"processes": 2}, {}, "cuda:0"),  # the first of them, which starts the other
        ({}, TORCHRUN, "cuda:1"),  # four machines with two GPUs each
        ({}, SLURM, "cuda:1"),  # commands that share a results folder
        ({"device": "cuda:0"}, SLURM, "cuda:0"),
        ({"jobs": 2}, {}, "cuda"),
        ({"device": "cuda:1"}, {}, "cuda:1"),
        ({"device": "cuda:1"}, {**TORCHRUN, "LOCAL_WORLD_SIZE": "1", "LOCAL_RANK": "0"}, "cuda:1"),
    ],
)
def test_each_process_has_the_gpu_with_its_number(
    options: dict[str, object], variables: Mapping[str, str], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    placement = placed(**{"device": "cuda", **options})
    assert placement.device == torch.device(device)
    assert bool(placement.notes) == (variables is SLURM and "device" not in options)


def test_a_launcher_may_show_each_process_its_own_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    assert placed(device="cuda").device == torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("options", "variables", "named"),
    [
        ({"device": "cuda:1", "processes": 2}, {}, ["cuda:1", "CUDA_VISIBLE_DEVICES"]),
        ({"device": "cuda:1"}, TORCHRUN, ["cuda:1", "2 processes"]),
        ({"device": "cuda", "processes": 3}, {}, ["3 GPUs", "has 2"]),
        ({"device": "cuda"}, {**TORCHRUN, "LOCAL_WORLD_SIZE": "4"}, ["4 GPUs", "has 2"]),
        ({"device": "cuda", "processes": 2}, SLURM, ["7 Slurm tasks", "torchrun"]),
        ({"device": "cuda", "processes": 2}, TORCHRUN, ["--processes 2", "8 processes"]),
    ],
)
def test_processes_that_would_share_a_gpu_are_refused(
    options: dict[str, object],
    variables: Mapping[str, str],
    named: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as caught:
        placed(**options)
    assert [part for part in named if part not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("text", "node", "tasks"),
    [("2(x3),1", "2", 2), ("2(x3),1", "3", 1), ("4", "0", 4), ("", "0", 1), ("1", "7", 1)],
)
def test_slurm_says_how_many_tasks_are_on_each_machine(text: str, node: str, tasks: int) -> None:
    assert slurm_tasks_here({"SLURM_STEP_TASKS_PER_NODE": text, "SLURM_NODEID": node}) == tasks


def test_a_gpu_that_auto_leaves_unused_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placements, "resolve_device", lambda name: torch.device("cpu"))
    monkeypatch.setattr(placements, "unused_gpu", lambda: "the driver is too old")
    [note] = placed(threads=1, jobs=1).notes
    assert "the driver is too old" in note
    assert placed(threads=1, jobs=1, device="cpu").notes == ()  # as was asked for
