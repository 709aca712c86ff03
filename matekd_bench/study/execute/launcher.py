"""Reads from the environment how torchrun or Slurm started this process, and which GPU the process should use."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import torch

from matekd_bench.errors import UsageError


def launched_processes(environment: Mapping[str, str] = os.environ) -> int:
    """Return how many processes a launcher such as torchrun has started for each run; 1 without a launcher."""
    size = environment.get("WORLD_SIZE", "")
    return int(size) if size.isdecimal() and "RANK" in environment else 1


def processes_here(processes: int, environment: Mapping[str, str] = os.environ) -> int:
    """Return how many of the `processes` of a run are on this machine."""
    here = environment.get("LOCAL_WORLD_SIZE", "")
    return int(here) if here.isdecimal() and launched_processes(environment) > 1 else processes


def slurm_tasks_here(environment: Mapping[str, str] = os.environ) -> int:
    """Return how many tasks of this Slurm step are on this machine; 1 outside `srun`."""
    counts = []  # e.g. "2(x3),1": two tasks on each of three machines, one on the fourth
    for count, machines in re.findall(
        r"(\d+)(?:\(x(\d+)\))?", environment.get("SLURM_STEP_TASKS_PER_NODE", "")
    ):
        counts += [int(count)] * int(machines or 1)
    node = environment.get("SLURM_NODEID", "0")
    return counts[int(node)] if node.isdecimal() and int(node) < len(counts) else 1


def check_processes(
    processes: int, device: torch.device, environment: Mapping[str, str] = os.environ
) -> None:
    """Raise UsageError if `processes` for each run do not fit the launcher, or the GPUs of this machine."""
    launched = launched_processes(environment)
    if launched not in (1, processes):
        raise UsageError(f"--processes {processes} does not match the {launched} processes of the launcher.")
    if processes == 1:
        return
    tasks = environment.get("SLURM_STEP_NUM_TASKS", "1")
    if launched == 1 and tasks.isdecimal() and int(tasks) > 1:
        raise UsageError(
            f"each of the {tasks} Slurm tasks of this step would start its own {processes} processes:",
            hint="leave out --processes, or start only one task on each machine, and torchrun in it.",
        )
    here = processes_here(processes, environment)
    if device.type == "cuda" and here > 1:
        _check_gpus(here, device, launched)


def _check_gpus(here: int, device: torch.device, launched: int) -> None:
    """Raise UsageError unless each of the `here` processes on this machine can have a GPU of its own."""
    if device.index is not None:
        raise UsageError(
            f"--device {device} is one GPU, but each of the {here} processes on this machine needs its own:",
            hint="use --device cuda, and select GPUs with the environment variable CUDA_VISIBLE_DEVICES.",
        )
    count = torch.cuda.device_count()
    # A launcher may show each process only its own GPU; whether they differ is checked when the processes meet.
    if here > count and not (launched > 1 and count == 1):
        raise UsageError(f"{here} processes need {here} GPUs, but this machine has {count}.")


def own_device(
    device: torch.device, processes: int, environment: Mapping[str, str] = os.environ
) -> torch.device:
    """Return the device of this process if several share the machine: the GPU with the process's number.

    `device` is returned unchanged if it names a GPU, if it is not a GPU, or if this process may use all GPUs.
    """
    if device.type != "cuda" or device.index is not None:
        return device
    number = None
    if processes > 1:  # the first process has no number yet if the processes are started here
        number = environment.get("LOCAL_RANK", "0")
    elif slurm_tasks_here(environment) > 1:
        number = environment.get("SLURM_LOCALID")
    if number is None or not number.isdecimal():
        return device
    return torch.device("cuda", int(number) % max(1, torch.cuda.device_count()))
