"""Correction for multiple tests: Holm's adjusted p values."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Compute the adjusted p values of Holm (1979), in the order of `p_values`.

    None means that a comparison could not be made. It stays None and still counts as a member of the family, which
    is everything that the study set out to test.
    """
    order = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0  # an adjusted p is never below that of a smaller p
    for rank, (p, i) in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p))
        adjusted[i] = highest
    return adjusted
