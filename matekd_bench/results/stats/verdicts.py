"""What may be said: Holm's correction, verdicts, who is level with the best, intervals of ranks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from matekd_bench.results.stats.differences import Difference

ALPHA = 0.05
MARGIN = 0.005  # half a point: a difference that would not change anybody's choice
EQUIVALENCE_LEVEL = 0.90  # two one-sided tests at 5 %

Verdict = Literal["better", "worse", "equivalent", "inconclusive"]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's (1979) adjusted p, in the order given.

    None, a comparison that could not be made, stays None and still counts as a member of the family: the
    family is what the study set out to test.
    """
    order = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, i) in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p))
        adjusted[i] = highest
    return adjusted


def verdict(difference: Difference | None, p_holm: float | None, margin: float = MARGIN) -> Verdict | None:
    """What a difference and its adjusted p say; None where nothing may be claimed."""
    if difference is None or (near := difference.interval(EQUIVALENCE_LEVEL)) is None:
        return None
    if p_holm is not None and p_holm < ALPHA:
        return "better" if difference.delta > 0 else "worse"
    if difference.p is not None and near.within(margin):
        return "equivalent"
    return "inconclusive"


@dataclass(frozen=True)
class RankInterval:
    """Where a row stands among the rows: its rank is between `low` and `high` (1 is best).

    The intervals hold for all rows at once. `with_best`: its difference to the row with the highest score is
    not significant.
    """

    low: int
    high: int
    with_best: bool


def places(
    scores: Mapping[str, float], compare: Callable[[str, str], Difference | None]
) -> dict[str, RankInterval]:
    """The place of each row of `scores` (label -> mean score); `compare(a, b)` is the difference a less b.

    A rank interval goes from 1 + rows significantly better to all less those significantly worse, after Holm
    over all pairs. The set of the best is after Holm over the comparisons with the best alone.
    """
    labels = sorted(scores, key=lambda label: (-scores[label], label))
    pairs = {pair: compare(*pair) for pair in combinations(labels, 2)}
    adjusted = holm([found.p if found else None for found in pairs.values()])
    better: dict[str, int] = dict.fromkeys(labels, 0)
    worse: dict[str, int] = dict.fromkeys(labels, 0)
    for ((a, b), found), p in zip(pairs.items(), adjusted, strict=True):
        if found is not None and p is not None and p < ALPHA:
            winner, loser = (a, b) if found.delta > 0 else (b, a)
            better[loser] += 1
            worse[winner] += 1
    level = _level_with_best(labels, pairs)
    return {
        label: RankInterval(1 + better[label], len(labels) - worse[label], label in level) for label in labels
    }


def _level_with_best(labels: Sequence[str], pairs: Mapping[tuple[str, str], Difference | None]) -> set[str]:
    if not labels:
        return set()
    rest = labels[1:]
    found = [pairs[labels[0], label] for label in rest]
    adjusted = holm([item.p if item else None for item in found])
    below = {label for label, p in zip(rest, adjusted, strict=True) if p is not None and p < ALPHA}
    return set(labels) - below
