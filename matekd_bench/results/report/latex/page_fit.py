"""Chooses how a table fits on a page: in a column or across both, in which font size, in how many parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final, TypeAlias

from matekd_bench.results.report.latex.cell_lines import SIZES, FontSize, Lines

Row: TypeAlias = Sequence[Lines]  # the name, then the cells


@dataclass(frozen=True)
class Place:
    """Where a table is put: the environment and its width in points."""

    environment: str
    width: float


# The narrowest pages of common classes: `article` at 11 points, and the two columns of ACL.
PLACES: Final[Mapping[int, Sequence[Place]]] = {
    1: (Place("table", 360),),
    2: (Place("table", 219), Place("table*", 455)),
}


@dataclass(frozen=True)
class Fit:
    """A table laid out: its place, its font size, and for each part the indices of its columns."""

    place: Place
    size: FontSize
    parts: Sequence[Sequence[int]]


def fit(rows: Sequence[Row], page_columns: int) -> Fit:
    """Choose the first place and size that the table fits in; the widest place and several parts if there is none."""
    columns = range(1, len(rows[0]))
    for place in PLACES[page_columns]:
        for size in SIZES:
            if table_width(rows, columns, size) <= place.width:
                return Fit(place, size, [columns])
    widest, size = PLACES[page_columns][-1], SIZES[1]
    parts = next(
        parts
        for parts in _divisions(columns)
        if len(parts) == len(columns) or all(table_width(rows, part, size) <= widest.width for part in parts)
    )
    return Fit(widest, size, parts)


def _divisions(columns: Sequence[int]) -> Iterator[list[Sequence[int]]]:
    """Yield the columns in two parts of the same size, then in three, and so on until each is alone."""
    for count in range(2, len(columns) + 1):
        length = ceil(len(columns) / count)
        yield [columns[start : start + length] for start in range(0, len(columns), length)]


def table_width(rows: Sequence[Row], columns: Sequence[int], size: FontSize) -> float:
    """Estimate the width in points of the names and these columns."""
    widths = (max(line.width(size) for row in rows for line in row[index]) for index in (0, *columns))
    return sum(widths) + 2 * size.gap * len(columns)
