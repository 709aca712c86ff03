"""Comparison at equal cost: a method against the reference with a larger budget, such as `kd@2x`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matekd_bench.results.stats.differences import Difference, RowScores, row_difference

# Costs within one percent count as equal: a method that costs 2.001 x is compared with kd@2x, not with kd@4x.
SLACK = 0.01


@dataclass(frozen=True)
class MatchedCost:
    """The difference of a row to `rival`, a row of the reference that cost `cost_ratio` times as much."""

    rival: str
    cost_ratio: float
    difference: Difference


def matched_rival(cost: float, rivals: Mapping[str, float]) -> str | None:
    """Return the cheapest of `rivals` (label -> cost) that cost at least `cost`; None if all cost less.

    Costs are in one unit, such as FLOPs of training and preparation on the same tasks. Of rivals with equal cost the
    first by name is taken.
    """
    candidates = [(spent, label) for label, spent in rivals.items() if spent >= cost * (1 - SLACK)]
    return min(candidates)[1] if candidates else None


def delta_matched(
    label: str,
    table: Mapping[str, Mapping[str, RowScores]],
    tasks: Sequence[str],
    costs: Mapping[str, float],
    rivals: Sequence[str],
) -> MatchedCost | None:
    """Compute the difference of row `label` to the cheapest of `rivals` (`kd`, `kd@2x`, ...) that cost as much.

    `table` is row -> task -> scores, `costs` row -> cost. None if no rival cost as much, or if the two rows have no
    common seed on one of `tasks`.
    """
    known = {rival: costs[rival] for rival in rivals if rival in costs and rival in table and rival != label}
    if label not in table or label not in costs:
        return None
    rival = matched_rival(costs[label], known)
    difference = row_difference(table[label], table[rival], tasks) if rival else None
    if rival is None or difference is None or costs[label] <= 0:
        return None
    return MatchedCost(rival, costs[rival] / costs[label], difference)


def unmatched_cost(
    label: str, costs: Mapping[str, float], rivals: Sequence[str], reference: str
) -> float | None:
    """Return the cost of row `label` as a multiple of the reference's, if all of `rivals` cost less; None otherwise."""
    known = {rival: costs[rival] for rival in rivals if rival in costs}
    if label not in costs or not costs.get(reference) or matched_rival(costs[label], known) is not None:
        return None
    return costs[label] / costs[reference]


def matching_multiple(cost: float) -> int:
    """Return the smallest whole budget that costs at least `cost`, in multiples of a row's: 2 means `kd@2x`."""
    return max(1, math.ceil(cost * (1 - SLACK)))
