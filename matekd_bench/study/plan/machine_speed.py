"""Measures the speed of the machine that a plan is made on, and notices that it is busy."""

from __future__ import annotations

import os
import time
from functools import lru_cache

import torch

from matekd_bench.distill.device import DTYPES, ResolvedPrecision

BUSY_LOAD = 0.5  # share of the cores that work of any process keeps busy
BUSY_SPREAD = 1.5  # slowest of three equal products relative to the fastest


@lru_cache(maxsize=4)
def matrix_seconds(device: torch.device, precision: ResolvedPrecision = "float32") -> tuple[float, ...]:
    """Return the seconds that each of three equal matrix products takes per FLOP, the fastest first.

    The matrices are small on a CPU. On a GPU, starting the product of small matrices would take longer than the
    product.
    """
    size = 1024 if device.type == "cpu" else 4096
    a = torch.ones(size, size, device=device, dtype=DTYPES[precision])
    seconds = []
    for _ in range(4):
        float(a[0, 0])  # reading a value waits for the device
        started = time.perf_counter()
        float((a @ a)[0, 0])
        seconds.append((time.perf_counter() - started) / (2 * size**3))
    return tuple(sorted(seconds[1:]))  # the first product also loads the library


def matrix_speed(device: torch.device, precision: ResolvedPrecision = "float32") -> float:
    """Measure the FLOPs per second of a matrix product in this precision; return the best of three."""
    return 1 / matrix_seconds(device, precision)[0]


def why_busy(device: torch.device, precision: ResolvedPrecision = "float32") -> str | None:
    """Say what shows that a CPU is busy: the load of its cores, or uneven speed; None if nothing does.

    Estimates of time are uncertain then. Nothing is measured on a GPU.
    """
    if device.type != "cpu":
        return None
    count = os.cpu_count() or 1  # the load is that of all cores, whichever this process may use
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):  # not on every system
        load = 0.0
    if load > BUSY_LOAD * count:
        return f"load {load:.1f} on {count} cores in the last minute"
    fastest, *_, slowest = matrix_seconds(device, precision)
    if slowest > BUSY_SPREAD * fastest:
        return f"the same product took {slowest / fastest:.1f} times as long at times"
    return None
