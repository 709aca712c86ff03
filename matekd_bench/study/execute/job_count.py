"""Decides how many runs train at a time on this machine, on which devices, and with how many threads each."""

from __future__ import annotations

import os

import torch

from matekd_bench.distill.device import cores
from matekd_bench.study.execute.device_slots import DeviceSlot

RUNS_PER_GPU = 8  # the most that `auto` uses: more runs would only wait for each other


def resolve_jobs(text: str, device: torch.device, threads: int | None) -> int:
    """Return how many runs train at a time, from the setting `jobs`: a number or `auto`.

    On a CPU `auto` gives every run its own cores, `threads` of them (default 1). On CUDA GPUs it gives every run one
    core, up to RUNS_PER_GPU runs per GPU. On other devices it is 1, because the memory of a run cannot be measured
    there.
    """
    if text != "auto":
        return int(text)
    if device.type == "cpu":
        return max(1, cores() // (threads or 1))
    return max(1, min(cores(), RUNS_PER_GPU * len(list_slots(device)))) if device.type == "cuda" else 1


def threads_per_run(jobs: int, threads: int | None) -> int:
    """Return the CPU threads of each of `jobs` runs: `threads` if given, else an equal share of the cores."""
    return threads if threads is not None else max(1, cores() // jobs)


def list_slots(device: torch.device) -> list[DeviceSlot]:
    """Return the devices to spread runs over: all GPUs if `device` is CUDA without a number."""
    if device.type != "cuda":
        return [DeviceSlot(device.type)]
    numbers = [device.index] if device.index is not None else range(torch.cuda.device_count())
    # torch numbers the visible GPUs from 0. A worker's environment needs their names in the system's numbering.
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = (
        [name.strip() for name in visible.split(",")]
        if visible
        else [str(number) for number in range(torch.cuda.device_count())]
    )
    return [
        DeviceSlot(
            f"cuda:{number}",
            {"CUDA_VISIBLE_DEVICES": names[number].strip()},
            int(torch.cuda.get_device_properties(number).total_memory),
        )
        for number in numbers
    ]
