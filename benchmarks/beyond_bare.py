"""Where an update of `kd` spends the time that a bare loop does not: shares of the trainer's functions, by cProfile.

The profiler makes functions of many small calls look dearer than they are: the shares are upper bounds.
"""

from __future__ import annotations

import cProfile
import pstats
import time
from collections.abc import Callable, Iterable
from typing import Any

# What is done, and the functions that do it and call none of the others, by the end of their file and their name.
PARTS = {
    "make the batch (in a run on a thread of its own)": [("batches.py", "__call__")],
    "diagnostics: divergences, flips": [("trainer.py", "_report_diagnostics")],
    "collect losses and weights of several processes": [("trainer.py", "_reduce")],
    "set the learning rates": [("trainer.py", "_set_rates")],
    "check what the method left": [("view_relay.py", "check_around_views")],
    "seed dropout": [("forward_passes.py", "dropout"), ("device.py", "seed_draws")],
    "count passes": [("flops.py", "book")],
}


def shares(update: Callable[[Any], object], batches: Iterable[Any]) -> dict[str, float]:
    """Return each part's share of the processor time of updates; `batches` are made within the profile."""
    profile = cProfile.Profile(time.process_time)
    profile.enable()
    for batch in batches:
        update(batch)
    profile.disable()
    stats = pstats.Stats(profile)
    total: float = stats.total_tt  # type: ignore[attr-defined]
    return {part: _seconds(stats, functions) / total for part, functions in PARTS.items()}


def _seconds(stats: pstats.Stats, functions: list[tuple[str, str]]) -> float:
    """Return the cumulative seconds of some functions of the suite."""
    return sum(
        figures[3]
        for (file, _, name), figures in stats.stats.items()  # type: ignore[attr-defined]
        if "matekd_bench" in file and any(file.endswith(end) and name == own for end, own in functions)
    )


def rows(found: dict[str, float]) -> list[str]:
    """Return the lines of the table, the largest share first."""
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return [f"| {part} | {share:.2%} |" for part, share in [*ordered, ("together", sum(found.values()))]]
