"""Statistical power: the difference that a study can detect, and the seeds needed to detect a smaller one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matekd_bench.results.stats.example_scores import Noise
from matekd_bench.results.stats.intervals import MIN_SEEDS, Variance, half_width
from matekd_bench.results.stats.verdicts import ALPHA

POWER = 0.8
TARGETS = (0.005, 0.01)  # half a point and a point
MAX_SEEDS = 1000


@dataclass(frozen=True)
class Power:
    """The power of a comparison of `n` seeds on one task, in fractions.

    All numbers are for 80 % power and a two-sided test at 5 % of this comparison alone. `detectable` is the true
    difference that is found in four of five such studies. `floor` is the same with unlimited seeds: the limit that
    the dev set sets. `seeds` gives the number of seeds that would detect each target difference, None if 1000 are
    not enough. Few seeds estimate the variances, so these numbers are a rough guide.
    """

    n: int
    detectable: float
    floor: float
    seeds: Mapping[float, int | None]


def detectable_difference(noise: Variance) -> float:
    """Compute the true difference that a two-sided test at 5 % finds with probability 0.8.

    The estimate must be at least the interval's half-width away from 0. In four of five studies it is, if the true
    difference is 0.84 standard errors larger than the half-width.
    """
    from scipy.special import ndtri

    return half_width(noise, 1 - ALPHA) + float(ndtri(POWER)) * noise.error


def power(noise: Noise, n: int) -> Power | None:
    """Compute the power of a comparison of `n` seeds per row; None if nothing varied and power is therefore unknown."""
    if noise.with_seeds(n).value == 0:
        return None
    return Power(
        n=n,
        detectable=detectable_difference(noise.with_seeds(n)),
        floor=detectable_difference(noise.of_examples_alone),
        seeds={target: seeds_needed(noise, target) for target in TARGETS},
    )


def seeds_needed(noise: Noise, target: float) -> int | None:
    """Return the smallest number of seeds, from 3 to 1000, that makes `target` detectable; None if there is none."""
    counts = range(MIN_SEEDS, MAX_SEEDS + 1)
    # bisection: the detectable difference falls as seeds are added
    index = bisect_left(counts, True, key=lambda n: detectable_difference(noise.with_seeds(n)) <= target)
    return counts[index] if index < len(counts) else None


def power_line(task: str, task_power: Power, half_widths: Sequence[float] = ()) -> str:
    """Describe in one line the difference that `task` can detect, and the seeds that smaller ones need.

    `half_widths` are those of the intervals of its differences.
    """
    parts = [f"{task}: {task_power.n} seeds can detect {100 * task_power.detectable:.1f} points"]
    for target, seeds in sorted(task_power.seeds.items(), reverse=True):
        if target >= task_power.detectable:
            continue
        points = f"{100 * target:g} point{'' if target == 0.01 else 's'}"
        if task_power.floor > target:
            parts.append(f"for {points}, the dev set is too small")
        else:
            parts.append(f"for {points}, use {seeds or f'more than {MAX_SEEDS}'} seeds")
    if half_widths:
        reached = dict.fromkeys(f"{100 * width:.1f}" for width in (min(half_widths), max(half_widths)))
        parts.append(f"half-widths of the 95 % intervals: {' to '.join(reached)} points")
    return "; ".join(parts) + "."
