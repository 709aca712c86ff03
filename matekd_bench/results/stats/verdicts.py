"""Conclusions from differences: verdicts, rank intervals and the rows level with the best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal, TypeAlias

from matekd_bench.results.stats.differences import Difference
from matekd_bench.results.stats.multiple_testing import holm

ALPHA = 0.05
PAIRS_ALPHA = (
    0.01  # of all pairs of rows, besides the verdicts: together they mark a wrong row in 5 of 100 tables
)
MARGIN = 0.005  # half a point: a smaller difference should not matter for the choice of a method
EQUIVALENCE_LEVEL = 0.90  # its interval is two one-sided tests at 5 % (Schuirmann 1987)

Verdict = Literal["better", "worse", "equivalent", "inconclusive"]


def verdict(difference: Difference | None, p_holm: float | None) -> Verdict | None:
    """Decide between better, worse, equivalent and inconclusive; None if the difference has no interval.

    Better or worse: the adjusted p is below .05. Equivalent: otherwise, if the 90 % interval is within MARGIN.
    """
    if difference is None or (interval := difference.interval(EQUIVALENCE_LEVEL)) is None:
        return None
    if p_holm is not None and p_holm < ALPHA:
        return "better" if difference.delta > 0 else "worse"
    if difference.p is not None and interval.within(MARGIN):
        return "equivalent"
    return "inconclusive"


@dataclass(frozen=True)
class RankInterval:
    """The interval of a row's rank: between `low` and `high`, where 1 is best.

    The intervals hold for all rows at once. `worse` are the rows that are significantly worse.
    """

    low: int
    high: int
    worse: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def with_best(self) -> bool:
        """True if no row is significantly better."""
        return self.low == 1


Pair: TypeAlias = tuple[str, str]  # the row that is significantly better, and the other one


def rank_intervals(
    labels: Sequence[str], compare: Callable[[str, str], Difference | None], decided: Collection[Pair] = ()
) -> dict[str, RankInterval]:
    """Compute the rank interval of each row; `compare(a, b)` is the difference a - b.

    An interval runs from 1 plus the number of significantly better rows to the number of rows minus the significantly
    worse ones. A pair is significant if a verdict says so (`decided`), or after Holm over all pairs at 1 %. So
    verdicts, rank intervals and the rows level with the best never contradict each other. Of ten equal rows all ten are
    level in 95 of 100 tables (`benchmarks/simulate_statistics.py`).
    """
    significant = {pair for pair in decided if set(pair) <= set(labels)} | _significant_pairs(labels, compare)
    better = Counter(loser for _, loser in significant)
    worse = {label: frozenset(loser for winner, loser in significant if winner == label) for label in labels}
    return {
        label: RankInterval(1 + better[label], len(labels) - len(worse[label]), worse[label])
        for label in labels
    }


def _significant_pairs(labels: Sequence[str], compare: Callable[[str, str], Difference | None]) -> set[Pair]:
    pairs = {pair: compare(*pair) for pair in combinations(labels, 2)}
    adjusted = holm([difference.p if difference else None for difference in pairs.values()])
    return {
        (a, b) if difference.delta > 0 else (b, a)
        for ((a, b), difference), p in zip(pairs.items(), adjusted, strict=True)
        if difference is not None and p is not None and p < PAIRS_ALPHA
    }
