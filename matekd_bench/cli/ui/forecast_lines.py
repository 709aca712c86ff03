"""The lines that `run --dry-run --devices N` prints about a study on several devices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from matekd_bench.cli.ui.progress import duration

if TYPE_CHECKING:
    from matekd_bench.study.events import Forecast

SHOWN = 4  # methods or tasks that a line names


def lines(forecast: Forecast) -> Iterator[str]:
    """Yield device-hours, the end with its lower bound, the largest shares and the bases of the estimates.

    Where one long run alone sets the end, a warning follows.
    """
    per_device = forecast.device_seconds / forecast.devices
    yield (
        f"{_device_count(forecast.devices)}: {forecast.device_seconds / 3600:.2f} device-hours, done in about "
        f"{duration(forecast.end)}; no order is faster than {duration(forecast.bound)} "
        f"(work per device {duration(per_device)}, longest run {duration(forecast.longest_run_seconds)})."
    )
    yield f"by method: {_parts(forecast.shares['method'])}."
    yield f"by task: {_parts(forecast.shares['task'])}."
    for basis, runs in forecast.bases.items():
        yield f"{runs} runs judged by {basis}."
    if forecast.set_by_one:
        waits = f", after {duration(forecast.waits_seconds)} of its teacher" if forecast.waits_seconds else ""
        yield (
            f"warning: one long run sets the end: {forecast.last} ({duration(forecast.last_seconds)}{waits}); "
            f"more than {_device_count(forecast.useful_devices)} do not end it sooner."
        )


def _device_count(devices: int) -> str:
    return f"{devices} device{'' if devices == 1 else 's'}"


def _parts(shares: Mapping[str, float]) -> str:
    """Return the largest shares, in percent, and the number of the others."""
    largest = [f"{name} {share:.0%}" for name, share in list(shares.items())[:SHOWN]]
    rest = len(shares) - SHOWN
    return ", ".join([*largest, f"{rest} more"] if rest > 0 else largest)
