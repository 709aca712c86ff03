"""Gives every method its color and marker, the same in all plots of all studies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from matekd_bench.files.hashing import short_digest
from matekd_bench.results.leaderboard.table import LeaderboardRow

# Okabe and Ito 2008: distinguishable with all common kinds of color blindness. Black and yellow are left out because
# one of them is invisible on a dark background, the other on a light one.
COLORS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
# Variants of these methods, and all other methods, have these markers.
OTHER_MARKERS: Final = ("<", ">", "p", "h", "d", "8", "*")
# Each position in this list is a pair of color and marker; 6 colors and 7 markers make 42 pairs. Names are only
# ever added at the end, so that no method changes its style.
KNOWN: Final = (
    *("kd", "matekd", "random-mask", "eda", "finetune", "freelb"),
    *("aeda", "smart", "mixup", "r3f", "cutoff", "vat"),
    *("frozen-generator", "random-token", "tinybert-aug", "worst-of-n", "from-file", "nlpaug:substitute"),
    *("nlpaug:char-delete", "nlpaug:char-insert", "nlpaug:char-substitute", "nlpaug:char-swap"),
    *("nlpaug:delete", "nlpaug:keyboard", "nlpaug:ocr", "nlpaug:spelling", "nlpaug:split", "nlpaug:swap"),
)


@dataclass(frozen=True)
class MethodStyle:
    """The color, the marker and the style of lines of one row."""

    color: str
    marker: str
    line: str


def method_styles(rows: Sequence[LeaderboardRow]) -> dict[str, MethodStyle]:
    """Return the style of each row by label.

    A built-in method always has the same. A variant has the color of its method. Other methods and variants have a
    color and a marker that follow from their names; if two of a table would look alike, the second gets another marker.
    """
    styles: dict[str, MethodStyle] = {}
    for row in sorted(rows, key=lambda row: row.label):
        styles[row.label] = next(
            (style for style in _candidates(row) if style not in styles.values()), _candidates(row)[0]
        )
    return styles


def _candidates(row: LeaderboardRow) -> list[MethodStyle]:
    """Return the styles that a row may have, the first if no other row has it."""
    method = row.identity.method
    place = KNOWN.index(method) if method in KNOWN else _number(method)
    color = COLORS[place % len(COLORS)]
    if row.label in KNOWN:
        return [MethodStyle(color, MARKERS[place % len(MARKERS)], "-")]
    start = _number(row.label) % len(OTHER_MARKERS)
    others = (*OTHER_MARKERS[start:], *OTHER_MARKERS[:start])
    return [MethodStyle(color, marker, "--") for marker in others]


def _number(name: str) -> int:
    """Return a number that follows from a name."""
    return int(short_digest(name, 8), 16)
