"""Device, precision, random state, kernels and memory of a run."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Literal

import torch

from matekd_bench.errors import UsageError, message_of

ResolvedPrecision = Literal["float32", "bf16"]
# Errors of CUDA after which nothing works any more on the device in the process that got them.
LOST_CONTEXT = re.compile(
    "device-side assert|illegal (memory access|instruction)|unspecified launch failure|misaligned address|"
    "invalid program counter|hardware stack error|uncorrectable ECC error|launch timed out|"
    "CU(BLAS|DNN)_STATUS_(EXECUTION_FAILED|INTERNAL_ERROR)",
    re.IGNORECASE,
)


def resolve_device(name: str | None) -> torch.device:
    """Return the named device; for None or "auto" the best one available: CUDA, then MPS, then CPU.

    Raises UsageError for a name that torch does not know or a device that is not available.
    """
    if name in (None, "auto"):
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(str(name))
    except RuntimeError:
        raise UsageError(f"unknown device '{name}': use auto, cpu, cuda, cuda:N or mps.") from None
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(device.type, False):
        raise UsageError(f"device '{name}' is not available here: use --device auto or cpu.")
    return device


def cores() -> int:
    """Return the number of cores that this process may use.

    CPU affinity, a container's quota and the environment variable LOKY_MAX_CPU_COUNT limit it. Raises UsageError if
    that variable is not a number.
    """
    from joblib import cpu_count

    try:
        return int(cpu_count())
    except ValueError:
        limit = os.environ.get("LOKY_MAX_CPU_COUNT")
        raise UsageError(f"the environment variable LOKY_MAX_CPU_COUNT is '{limit}', not a number.") from None


def resolve_precision(name: str, device: torch.device) -> ResolvedPrecision:
    """Resolve `auto` to the precision for this device: bf16 only where the hardware multiplies bf16 matrices faster.

    A CPU needs AMX tiles for that: without them bf16 is slower than float32 (measured 1.4 to 1.8 times).
    """
    if name == "bf16":
        return "bf16"
    if name == "float32" or device.type == "mps":
        return "float32"
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bf16" if "amx_bf16" in cpu_flags() else "float32"


def cpu_flags() -> frozenset[str]:
    """Return the processor's feature flags as Linux names them; empty on other systems."""
    with suppress(OSError):
        line = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        return frozenset(line.group(1).split()) if line else frozenset()
    return frozenset()


def contained_randomness(device: torch.device) -> AbstractContextManager[None]:
    """Return a context that restores torch's global generators at its end, so that code inside may seed them."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def seed_draws(seed: int, device: torch.device) -> None:
    """Seed torch's generators of the CPU and of `device`, with the same result there as `torch.manual_seed`.

    This is faster: `torch.manual_seed` looks for every other kind of device too, which takes a millisecond.
    """
    if device.type not in ("cpu", "cuda"):
        torch.manual_seed(seed)
        return
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        torch.cuda.default_generators[index].manual_seed(seed)


def generator_on(device: torch.device) -> torch.Generator:
    """Return a new random generator, not seeded yet, whose numbers are drawn on `device`."""
    return torch.Generator(device)


def send(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return a tensor of the CPU on `device`; for a GPU the CPU goes on at once, before the tensor has arrived."""
    if device.type != "cuda":
        return tensor.to(device)
    # From pageable memory the CPU would wait. torch reuses page-locked memory only after the GPU has read it.
    return tensor.pin_memory().to(device, non_blocking=True)


@contextmanager
def deterministic_kernels(enabled: bool) -> Iterator[None]:
    """If `enabled`, make torch use only kernels that repeat to the bit, and raise for operations that have none."""
    if not enabled:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    os.environ.setdefault(
        "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
    )  # cuBLAS needs it to be deterministic and reads it at first use
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def kernel_facts() -> dict[str, bool]:
    """Return the entry about kernels in the key of a cached training; empty for the default kernels."""
    return {"deterministic": True} if torch.are_deterministic_algorithms_enabled() else {}


def processor(device: torch.device) -> str:
    """Return the name of the GPU, or the CPU's architecture and vector instructions, which decide the last bits."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


def device_is_lost(error: BaseException, device: torch.device) -> bool:
    """Return True if this process can no longer use its GPU after `error`, or after an earlier one behind it."""
    earlier: BaseException | None = error
    while earlier is not None:
        if LOST_CONTEXT.search(message_of(earlier)):
            return True
        earlier = earlier.__cause__ or earlier.__context__
    try:
        if device.type == "cuda":
            torch.cuda.synchronize(device)  # raises whatever a kernel has left behind
    except RuntimeError:
        return True
    return False


def free_cached_memory(device: torch.device) -> None:
    """Release the unused GPU memory that torch has cached."""
    if device.type == "cuda":
        with suppress(RuntimeError):  # the device is lost: `device_is_lost` has it reported
            torch.cuda.empty_cache()


def reset_peak_memory(device: torch.device) -> None:
    """Start a new measurement of :func:`peak_memory`."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Linux: sets the high-water mark to the current size


def peak_memory(device: torch.device) -> int | None:
    """Return the peak memory in bytes since the reset; None where the system does not report it.

    On a GPU this is the memory that torch allocated, on a CPU the resident memory of the process.
    """
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    with suppress(OSError):
        line = re.search(r"^VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
        return int(line.group(1)) * 1024 if line else None
    return None
