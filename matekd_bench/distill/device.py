"""Device, precision, random state, kernels and memory of a run."""

from __future__ import annotations

import os
import platform
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from shutil import which
from typing import Literal, cast

import torch

from matekd_bench.errors import UsageError, first_line, message_of

DEVICE_FILES = Path("/dev")
ResolvedPrecision = Literal["float32", "bf16", "fp16"]
DTYPES: Mapping[ResolvedPrecision, torch.dtype] = {
    "float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16,
}  # fmt: skip
TENSOR_CORES = (7, 0)  # compute capability from which a GPU multiplies fp16 matrices faster than float32 ones
# Errors of CUDA after which nothing works any more on the device in the process that got them.
LOST_CONTEXT = re.compile(
    "device-side assert|illegal (memory access|instruction)|unspecified launch failure|misaligned address|"
    "invalid program counter|hardware stack error|uncorrectable ECC error|launch timed out|"
    "CU(BLAS|DNN)_STATUS_(EXECUTION_FAILED|INTERNAL_ERROR)",
    re.IGNORECASE,
)


def resolve_device(name: str | None) -> torch.device:
    """Return the named device; for None or "auto" the best one that works: CUDA, then MPS, then CPU.

    A GPU that is named with its number becomes torch's current one, so that nothing is placed on another one. Raises
    UsageError for a name that torch does not know or a device that does not work.
    """
    if name in (None, "auto"):
        if cuda_problem() is None:
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(str(name))
    except RuntimeError:
        raise UsageError(f"unknown device '{name}': use auto, cpu, cuda, cuda:N or mps.") from None
    problem = _problem_of(device)
    if problem is not None:
        raise UsageError(
            f"device '{name}' is not available here: {problem}.", hint="Use --device auto or cpu."
        )
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)
    return device


def _problem_of(device: torch.device) -> str | None:
    """Return why the device cannot be used; None if it can."""
    if device.type == "cpu":
        return None
    if device.type == "mps":
        return None if torch.backends.mps.is_available() else "torch finds no Apple GPU"
    if device.type != "cuda":
        return "studies run on cpu, cuda and mps"
    if _cuda_is_available() and (device.index or 0) >= (count := torch.cuda.device_count()):
        return f"torch finds {count} GPU{'s' * (count != 1)}, numbered from 0"
    return cuda_problem(device.index or 0)


def _cuda_is_available() -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of an old driver; `cuda_problem` says it in one line
        return torch.cuda.is_available()


@lru_cache(maxsize=64)
def cuda_problem(index: int = 0) -> str | None:
    """Return why torch cannot compute on an NVIDIA GPU; None if it can.

    The GPU adds two numbers, since torch also lists GPUs for which it has no kernels or that another process occupies.
    """
    try:
        if not _cuda_is_available():
            torch.cuda.init()  # raises what is_available() has hidden
            return "torch finds no GPU"
        float(torch.ones(1, device=torch.device("cuda", index)) + 1)
    except (RuntimeError, AssertionError) as error:  # AssertionError: this torch was built for CPUs only
        return first_line(error).rstrip(".")
    return None


def unused_gpu() -> str | None:
    """Return why `auto` leaves an NVIDIA GPU of this machine unused; None if it uses it or there is none.

    A GPU that CUDA_VISIBLE_DEVICES hides was left out on purpose.
    """
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1")
    return None if hidden or not _has_nvidia_gpu() else cuda_problem()


def _has_nvidia_gpu() -> bool:
    """Return True if the system has an NVIDIA GPU, whether torch can use it or not."""
    return any(DEVICE_FILES.glob("nvidia[0-9]*")) or (os.name == "nt" and which("nvidia-smi") is not None)


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
    """Resolve `auto` to the precision for this device: half precision only if it makes matrix products faster.

    That is bf16, or fp16 on a GPU that has no bf16. A CPU needs AMX tiles: without them bf16 is slower than float32
    (measured 1.4 to 1.8 times).
    """
    if name in ("bf16", "fp16", "float32"):
        return cast(ResolvedPrecision, name)
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16"
        return "fp16" if torch.cuda.get_device_capability(device) >= TENSOR_CORES else "float32"
    return "bf16" if device.type == "cpu" and "amx_bf16" in cpu_flags() else "float32"


def cpu_flags() -> frozenset[str]:
    """Return the processor's feature flags as Linux names them; empty on other systems."""
    with suppress(OSError):
        line = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        return frozenset(line.group(1).split()) if line else frozenset()
    return frozenset()


def in_float64(values: torch.Tensor) -> torch.Tensor:
    """Return the values in float64: on their device if it has float64, else on the CPU."""
    return values.cpu().double() if values.device.type == "mps" else values.double()


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


def send(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return a tensor of the CPU on `device`; the CPU does not wait until it has arrived on a GPU.

    A float64 tensor becomes float32 if the device has no float64.
    """
    if device.type == "mps" and values.dtype == torch.float64:
        values = values.float()
    if device.type == "cuda":
        values = (
            values.pin_memory()
        )  # from other memory the CPU would wait; torch reuses it after the GPU has read it
    return values.to(device, non_blocking=device.type != "cpu")


@contextmanager
def deterministic_kernels(enabled: bool) -> Iterator[None]:
    """If `enabled`, make torch use only deterministic kernels, and raise for operations that have none."""
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
    """Return True if this process can no longer use its GPU after `error`, or after an earlier error that caused it."""
    earlier: BaseException | None = error
    while earlier is not None:
        if LOST_CONTEXT.search(message_of(earlier)):
            return True
        earlier = earlier.__cause__ or earlier.__context__
    try:
        if device.type == "cuda":
            torch.cuda.synchronize(device)  # raises the errors of earlier kernels
    except RuntimeError:
        return True
    return False


def free_cached_memory(device: torch.device) -> None:
    """Release the unused GPU memory that torch has cached."""
    if device.type == "cuda":
        with suppress(RuntimeError):  # the device is lost; `device_is_lost` reports it
            torch.cuda.empty_cache()


def reset_peak_memory(device: torch.device) -> None:
    """Start a new measurement of :func:`peak_memory`."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Linux: sets the high-water mark to the current size


def peak_memory(device: torch.device) -> int | None:
    """Return the peak memory in bytes since the reset; None if the system does not report it.

    On a GPU this is the memory that torch allocated, on a CPU the resident memory of the process.
    """
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    with suppress(OSError):
        line = re.search(r"^VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
        return int(line.group(1)) * 1024 if line else None
    return None
