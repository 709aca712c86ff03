"""The segments of a row of text: its only text, or the first and the second text of a pair."""

from __future__ import annotations

from typing import Literal, TypeAlias

Segments: TypeAlias = Literal["both", "first", "second"]
SEGMENTS = ("first", "second")


def chosen_segments(count: int, segments: Segments) -> range:
    """Return the indices of the segments to perturb in a row of `count` texts; a single text is always perturbed."""
    if count == 1 or segments == "both":
        return range(count)
    index = SEGMENTS.index(segments)
    return range(index, index + 1)
