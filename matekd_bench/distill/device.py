"""Which device and which precision a run uses, and how much memory it took."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Literal

import torch

from matekd_bench.errors import UsageError

ResolvedPrecision = Literal["float32", "bf16"]


def resolve_device(name: str | None) -> torch.device:
    """The device named, or the best there is: CUDA, then MPS, then CPU.

    Raises UsageError for a name torch does not know or a device that is not there.
    """
    if name in (None, "auto"):
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(str(name))
    except RuntimeError:
        raise UsageError(f"unknown device '{name}': use auto, cpu, cuda, cuda:N or mps.") from None
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(device.type, False):
        raise UsageError(f"device '{name}' is not available here: use --device auto or cpu.")
    return device


def cores() -> int:
    """The cores that this process may use: by affinity, by a container's quota, and by LOKY_MAX_CPU_COUNT.

    Raises UsageError where that variable is no number.
    """
    from joblib import cpu_count

    try:
        return int(cpu_count())
    except ValueError:
        said = os.environ.get("LOKY_MAX_CPU_COUNT")
        raise UsageError(f"the environment variable LOKY_MAX_CPU_COUNT is '{said}', not a number.") from None


def resolve_precision(name: str, device: torch.device) -> ResolvedPrecision:
    """What `auto` means on this device: bf16 only where the hardware multiplies bf16 matrices faster.

    On a CPU that takes AMX tiles: without them bf16 is slower than float32 (measured 1.4 to 1.8 times).
    """
    if name == "bf16":
        return "bf16"
    if name == "float32" or device.type == "mps":
        return "float32"
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bf16" if "amx_bf16" in cpu_flags() else "float32"


def cpu_flags() -> frozenset[str]:
    """The processor's feature flags as Linux names them; empty elsewhere."""
    with suppress(OSError):
        found = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        return frozenset(found.group(1).split()) if found else frozenset()
    return frozenset()


def contained_randomness(device: torch.device) -> AbstractContextManager[None]:
    """Within it torch's global generators may be seeded at will; afterwards they are as they were."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def seed_draws(seed: int, device: torch.device) -> None:
    """Seeds what is drawn on `device`, to the numbers that `torch.manual_seed` leads to.

    That also asks after every kind of device there might be, with a traceback each time: a millisecond a call.
    """
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


@contextmanager
def deterministic_kernels(wanted: bool) -> Iterator[None]:
    """Within it, if `wanted`, torch uses only kernels that give the same bits every time, and refuses the others."""
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS is first used
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def kernel_facts() -> dict[str, bool]:
    """What the kept product of a training has to say about its kernels: nothing where they were the usual ones."""
    return {"deterministic": True} if torch.are_deterministic_algorithms_enabled() else {}


def processor(device: torch.device) -> str:
    """The processor that a device is, as far as it decides the last bits."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


def free_cached_memory(device: torch.device) -> None:
    """Gives back the memory that torch keeps for itself on a GPU."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def reset_peak_memory(device: torch.device) -> None:
    """Starts a new measurement of :func:`peak_memory`."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the high-water mark becomes today's size


def peak_memory(device: torch.device) -> int | None:
    """Bytes at the highest point since the reset: allocated on the GPU, resident in the process on a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    with suppress(OSError):
        found = re.search(r"^VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
        return int(found.group(1)) * 1024 if found else None
    return None
