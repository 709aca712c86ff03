"""Equal cost: which row of the reference is the honest rival of a costly method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matekd_bench.results.stats.differences import Difference, RowScores, row_difference

# A rival within one percent counts as equally costly: a method that costs 2.001 x meets kd@2x, not kd@4x.
SLACK = 0.01


@dataclass(frozen=True)
class MatchedCost:
    """The difference of a row to the reference's row `rival`, which cost `cost_ratio` times as much."""

    rival: str
    cost_ratio: float
    difference: Difference


def matched_rival(cost: float, rivals: Mapping[str, float]) -> str | None:
    """The cheapest of `rivals` (label -> cost) that cost at least `cost`; None where none did.

    Costs are in one unit, e.g. FLOPs of training and preparation on the same tasks. Of equal ones the first by
    name.
    """
    enough = [(spent, label) for label, spent in rivals.items() if spent >= cost * (1 - SLACK)]
    return min(enough)[1] if enough else None


def delta_matched(
    label: str,
    table: Mapping[str, Mapping[str, RowScores]],
    tasks: Sequence[str],
    costs: Mapping[str, float],
    rivals: Sequence[str],
) -> MatchedCost | None:
    """The difference of row `label` to the cheapest row of `rivals` (`kd`, `kd@2x`, ...) that cost as much.

    `table` is row -> task -> entry, `costs` row -> cost. None without such a rival or without common runs on
    every task.
    """
    known = {rival: costs[rival] for rival in rivals if rival in costs and rival in table and rival != label}
    if label not in table or label not in costs:
        return None
    rival = matched_rival(costs[label], known)
    found = row_difference(table[label], table[rival], tasks) if rival else None
    if rival is None or found is None or costs[label] <= 0:
        return None
    return MatchedCost(rival, costs[rival] / costs[label], found)


def matching_multiple(cost: float, reference_cost: float) -> int:
    """The smallest whole number of the reference's budgets that cost at least `cost`: 2 for `kd@2x`."""
    if reference_cost <= 0:
        raise ValueError(f"the reference's cost is {reference_cost}: it must be above 0")
    return max(1, math.ceil(cost * (1 - SLACK) / reference_cost))
