"""What a design could have found: the detectable difference, and the seeds that a smaller one would need."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matekd_bench.results.stats.differences import Noise
from matekd_bench.results.stats.intervals import MIN_SEEDS, NEGLIGIBLE, Variance
from matekd_bench.results.stats.verdicts import ALPHA

POWER = 0.8
TARGETS = (0.005, 0.01)  # half a point and a point
MAX_SEEDS = 1000


@dataclass(frozen=True)
class Power:
    """What the noise on one task allows, in fractions, at 80 % power and a two-sided 5 % (one comparison alone).

    `detectable` is the difference that this design finds in four of five studies, `floor` the same with
    endlessly many seeds: what the dev set alone allows. `seeds` gives for each target difference how many
    seeds would find it, None where no number up to 1000 does. Estimated from few seeds: a rough guide.
    """

    n: int
    detectable: float
    floor: float
    seeds: Mapping[float, int | None]


def detectable(noise: Variance) -> float:
    """The true difference that a two-sided t test at 5 % finds with probability 0.8.

    By the noncentral t distribution: the noncentrality whose lower fifth ends at the critical value, times
    the standard error.
    """
    from scipy.special import nctdtrinc, stdtrit

    critical = stdtrit(noise.df, 1 - ALPHA / 2)
    return float(nctdtrinc(noise.df, 1 - POWER, critical)) * noise.error


def power(noise: Noise, n: int, targets: Sequence[float] = TARGETS) -> Power | None:
    """The power of a comparison of `n` seeds a row; None where nothing varied, so that nothing is known."""
    if noise.own + noise.other + noise.examples.value <= NEGLIGIBLE:
        return None
    return Power(
        n=n,
        detectable=detectable(noise.with_seeds(n)),
        floor=detectable(noise.examples),
        seeds={target: seeds_needed(noise, target) for target in targets},
    )


def seeds_needed(noise: Noise, target: float) -> int | None:
    """The fewest seeds, from three on, with which `target` is detectable; None beyond 1000."""
    counts = range(MIN_SEEDS, MAX_SEEDS + 1)
    place = bisect_left(counts, True, key=lambda n: detectable(noise.with_seeds(n)) <= target)
    return counts[place] if place < len(counts) else None


def power_line(task: str, found: Power) -> str:
    """One line for people: what could have been found on `task`, and what would find more."""
    parts = [f"{task}: {found.n} seeds can find {100 * found.detectable:.1f} points"]
    for target, seeds in sorted(found.seeds.items(), reverse=True):
        if target >= found.detectable:
            continue
        points = f"{100 * target:g} point{'' if target == 0.01 else 's'}"
        if found.floor > target:
            parts.append(f"for {points} the dev set is too small")
        else:
            parts.append(f"for {points} take {seeds or f'more than {MAX_SEEDS}'}")
    return "; ".join(parts) + "."
