"""Makes the lines of LaTeX cells, with their source and their width."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from matekd_bench.results.report.cells import NO_VALUE
from matekd_bench.results.report.latex.escaping import escape, settable, text_width

SIGNED = re.compile(r"(?<![\w.])[+-]\d+(\.\d+)?")
DIFFERENCE = re.compile(r"\((?P<shown>[+-][^)]*)\)")
BREAKABLE = re.compile(r"[^\[,:/ -]*[\[,:/ -]?")  # a name may be broken after these characters
NAME_LENGTH = 18  # characters on a line
HEADING_LENGTH = 9
LONGEST_WORD = 24  # longer ones are broken anywhere


@dataclass(frozen=True)
class FontSize:
    """The font sizes of a table: LaTeX's commands, with their points in a document of 11 points.

    `gap` is the space on either side of a column, in points.
    """

    command: str
    points: int
    small_command: str
    small_points: int
    subscript_points: int
    gap: int


SIZES: Final = (
    FontSize("small", 10, "scriptsize", 8, 7, 4),
    FontSize("footnotesize", 9, "scriptsize", 8, 6, 3),
    FontSize("scriptsize", 8, "tiny", 6, 6, 2),
)


@dataclass(frozen=True)
class CellLine:
    """One line of a cell. The plus and minus signs of a `number` are set as in a formula."""

    text: str
    subscript: str = ""
    small: bool = False
    number: bool = False
    emphasized: bool = False

    def source(self, size: FontSize) -> str:
        """Return the line in LaTeX."""
        source = escape(self.text)
        if self.number:
            source = SIGNED.sub(r"$\g<0>$", source)
        if self.emphasized:
            source = rf"\emph{{{source}}}"
        if self.subscript:
            source += f"$_{{{escape(self.subscript)}}}$"
        return rf"\{size.small_command} {source}" if self.small else source

    def width(self, size: FontSize) -> float:
        """Estimate the width in points."""
        text = self.text.replace("-", "+") if self.number else self.text
        points = size.small_points if self.small else size.points
        return text_width(text, points) + text_width(self.subscript, size.subscript_points)


Lines: TypeAlias = Sequence[CellLine]


def number_lines(lines: Sequence[str]) -> Lines:
    """Format a cell with numbers: the standard deviation as a subscript, all lines but the first small."""
    first, *others = lines
    mean, _, deviation = first.partition(" ± ")
    shown = "–" if first == NO_VALUE else mean
    return [
        CellLine(shown, deviation, number=True),
        *(CellLine(DIFFERENCE.sub(r"\g<shown>", line), small=True, number=True) for line in others),
    ]


def name_lines(lines: Sequence[str], *, emphasized: bool = False) -> Lines:
    """Format the name of a row, a long one on several lines, and below it its role."""
    name, *flags = lines
    return [
        *(CellLine(line, emphasized=emphasized) for line in fold(name, NAME_LENGTH)),
        *(CellLine(flag, small=True) for flag in flags),
    ]


def heading_lines(lines: Sequence[str]) -> Lines:
    """Format the lines above a column; all but the first are small."""
    below = [part for line in lines[1:] for part in fold(line, HEADING_LENGTH)]
    return [
        *map(CellLine, fold(lines[0], HEADING_LENGTH)),
        *(CellLine(line, small=True) for line in below),
    ]


def fold(text: str, length: int) -> list[str]:
    """Break a name into lines of about `length` characters, after characters where it may be broken."""
    lines = [""]
    for part in _parts(settable(text)):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > length:
            lines.append("")
        lines[-1] += part
    return [line.strip() for line in lines]


def _parts(text: str) -> Iterator[str]:
    """Split a text where it may be broken; words that are too long are cut."""
    for word in filter(None, BREAKABLE.findall(text)):
        yield from (word[at : at + LONGEST_WORD] for at in range(0, len(word), LONGEST_WORD))
