"""Conclusions from differences: verdicts, rank intervals and the rows level with the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from matekd_bench.results.stats.differences import Difference
from matekd_bench.results.stats.multiple_testing import holm

ALPHA = 0.05
MARGIN = 0.005  # half a point: a smaller difference should not matter for the choice of a method
EQUIVALENCE_LEVEL = 0.90  # its interval is two one-sided tests at 5 % (Schuirmann 1987)

Verdict = Literal["better", "worse", "equivalent", "inconclusive"]


def verdict(difference: Difference | None, p_holm: float | None, margin: float = MARGIN) -> Verdict | None:
    """Decide between better, worse, equivalent and inconclusive; None if the difference has no interval.

    Better or worse: the adjusted p is below .05. Equivalent: otherwise, if the 90 % interval is within the margin.
    """
    if difference is None or (interval := difference.interval(EQUIVALENCE_LEVEL)) is None:
        return None
    if p_holm is not None and p_holm < ALPHA:
        return "better" if difference.delta > 0 else "worse"
    if difference.p is not None and interval.within(margin):
        return "equivalent"
    return "inconclusive"


@dataclass(frozen=True)
class RankInterval:
    """The interval of a row's rank: between `low` and `high`, where 1 is best.

    The intervals hold for all rows at once. `with_best` is True if the row does not differ significantly from the
    row with the highest score.
    """

    low: int
    high: int
    with_best: bool


def rank_intervals(
    scores: Mapping[str, float], compare: Callable[[str, str], Difference | None]
) -> dict[str, RankInterval]:
    """Compute the rank interval of each row of `scores` (label -> mean score); `compare(a, b)` is a - b.

    An interval runs from 1 + the rows significantly better to the number of rows less those significantly worse,
    after Holm over all pairs. `with_best` uses Holm over the comparisons with the highest score only.
    """
    labels = sorted(scores, key=lambda label: (-scores[label], label))
    pairs = {pair: compare(*pair) for pair in combinations(labels, 2)}
    adjusted = holm([difference.p if difference else None for difference in pairs.values()])
    better: dict[str, int] = dict.fromkeys(labels, 0)
    worse: dict[str, int] = dict.fromkeys(labels, 0)
    for ((a, b), difference), p in zip(pairs.items(), adjusted, strict=True):
        if difference is not None and p is not None and p < ALPHA:
            winner, loser = (a, b) if difference.delta > 0 else (b, a)
            better[loser] += 1
            worse[winner] += 1
    level = _level_with_best(labels, pairs)
    return {
        label: RankInterval(1 + better[label], len(labels) - worse[label], label in level) for label in labels
    }


def _level_with_best(labels: Sequence[str], pairs: Mapping[tuple[str, str], Difference | None]) -> set[str]:
    """Return the rows that do not differ significantly from the first of `labels`, that row included."""
    if not labels:
        return set()
    rest = labels[1:]
    differences = [pairs[labels[0], label] for label in rest]
    adjusted = holm([difference.p if difference else None for difference in differences])
    below = {label for label, p in zip(rest, adjusted, strict=True) if p is not None and p < ALPHA}
    return set(labels) - below
