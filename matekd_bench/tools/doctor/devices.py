"""Checks of the devices that torch finds, and of the precision that `auto` means on each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from matekd_bench.errors import first_line
from matekd_bench.tools.doctor.finding import Finding

if TYPE_CHECKING:
    import torch

TOPIC = "devices"
UPDATE = (
    "update the NVIDIA driver, or install a version of torch that fits it: https://pytorch.org/get-started"
)


def devices() -> Iterator[Finding]:
    """Check torch, the CPU and each accelerator, and mark the device that studies use by default."""
    try:
        import torch

        from matekd_bench.distill.device import cuda_problem, resolve_device, unused_gpu
    except (ImportError, OSError) as error:  # OSError: a library that torch loads is damaged or missing
        yield Finding(
            TOPIC,
            "torch",
            "problem",
            f"cannot be loaded: {first_line(error)}",
            "pip install --force-reinstall torch",
        )
        return
    chosen = resolve_device("auto")
    yield _device_finding("cpu", cpu_text(), torch.device("cpu"), chosen)
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        if (problem := cuda_problem(index)) is not None:
            yield Finding(TOPIC, f"cuda:{index}", "problem", f"torch cannot use it: {problem}", UPDATE)
            continue
        properties = torch.cuda.get_device_properties(index)
        text = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
        yield _device_finding(f"cuda:{index}", text, torch.device("cuda", index), chosen)
    if torch.backends.mps.is_available():
        yield _device_finding("mps", "Apple GPU", torch.device("mps"), chosen)
    if (reason := unused_gpu()) is not None:
        yield Finding(
            TOPIC, "gpu", "problem", f"the NVIDIA GPU of this machine cannot be used: {reason}", UPDATE
        )
    elif chosen.type == "cpu":
        yield Finding(
            TOPIC,
            "gpu",
            "missing",
            "none: studies run on the CPU",
            "choose small models, as preset minilm does",
        )


def cpu_text() -> str:
    """Describe the cores, the threads and whether the processor multiplies bf16 matrices."""
    import torch

    from matekd_bench.distill.device import cores, cpu_flags

    count, usable = os.cpu_count() or 1, cores()
    limit = f" ({usable} usable)" if usable != count else ""
    amx = "bf16 matrices (AMX)" if "amx_bf16" in cpu_flags() else "no fast bf16"
    return f"{count} cores{limit}, torch uses {torch.get_num_threads()} threads, {amx}"


def _device_finding(name: str, text: str, device: torch.device, chosen: torch.device) -> Finding:
    from matekd_bench.distill.device import resolve_precision

    mark = "; used by default" if (device.type, device.index or 0) == (chosen.type, chosen.index or 0) else ""
    return Finding(TOPIC, name, "ok", f"{text}; precision auto is {resolve_precision('auto', device)}{mark}")
