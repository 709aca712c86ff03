"""The segments of a row of text: one text, or the first and the second of a pair."""

from __future__ import annotations

from typing import Literal, TypeAlias

Segments: TypeAlias = Literal["both", "first", "second"]
SEGMENTS = ("first", "second")


def chosen_segments(count: int, segments: Segments) -> range:
    """Return the indices of the segments that are perturbed in a row of `count` texts; a single text always is."""
    if count == 1 or segments == "both":
        return range(count)
    index = SEGMENTS.index(segments)
    return range(index, index + 1)
