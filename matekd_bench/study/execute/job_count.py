"""How many runs go at a time on this machine, on which devices, and with how many threads each."""

from __future__ import annotations

import os

import torch

from matekd_bench.distill.device import cores
from matekd_bench.study.execute.device_slots import DeviceSlot

PER_GPU = 8  # runs that `auto` lets share one GPU at most: more only wait for each other


def resolve_jobs(text: str, device: torch.device, threads: int | None) -> int:
    """How many runs at a time the setting `jobs`, a number or `auto`, means on this device.

    `auto` is as many as have cores of their own on a CPU, and on CUDA GPUs as many as have a core each; elsewhere one,
    as the memory of a run is not known there.
    """
    if text != "auto":
        return int(text)
    if device.type == "cpu":
        return max(1, cores() // (threads or 1))
    return max(1, min(cores(), PER_GPU * len(places(device)))) if device.type == "cuda" else 1


def share_of_threads(jobs: int, threads: int | None) -> int:
    """The CPU threads of each of so many runs at a time: those asked for, else an equal part of the cores."""
    return threads if threads is not None else max(1, cores() // jobs)


def places(device: torch.device) -> list[DeviceSlot]:
    """The devices that runs are spread over: all GPUs where the study's device is CUDA without a number."""
    if device.type != "cuda":
        return [DeviceSlot(device.type)]
    numbers = [device.index] if device.index is not None else range(torch.cuda.device_count())
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(number) for number in range(torch.cuda.device_count())]
    return [
        DeviceSlot(
            f"cuda:{number}",
            {"CUDA_VISIBLE_DEVICES": names[number]},
            int(torch.cuda.get_device_properties(number).total_memory),
        )
        for number in numbers
    ]
