r"""Renders the leaderboard as LaTeX: one booktabs table per protocol, for ``\input`` in a paper."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from matekd_bench.results.leaderboard.table import LeaderboardTable, LeaderboardTables
from matekd_bench.results.report import sentences
from matekd_bench.results.report.cells import NO_VALUE
from matekd_bench.results.report.result_sentence import result
from matekd_bench.results.report.sheets import score_sheet

HEAD = r"""% A table per protocol, for \input. \usepackage{booktabs} gives its rules; without it they are plain lines.
\providecommand{\toprule}{\hline}
\providecommand{\midrule}{\hline}
\providecommand{\bottomrule}{\hline}
"""
SIGNED = re.compile(r"(?<![\w.])[+-]\d+(\.\d+)?")
NOT_IN_LABEL = re.compile(r"[^A-Za-z0-9-]")

SPECIAL: Final[Mapping[str, str]] = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\texttt{\char34}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",  # after \\, LaTeX would read a bracket as a length
    "]": "{]}",
    "*": r"$^{*}$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "≈": r"$\approx$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "–": "--",
    "—": "---",
    "’": "'",
    "‘": "`",
    "“": "``",
    "”": "''",
    "…": r"\dots{}",
}
# Combining accents, with the LaTeX command that puts each on a letter without further packages.
ACCENTS: Final[Mapping[str, str]] = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0308": '"',
    "\u030a": "r",
    "\u030c": "v",
    "\u0327": "c",
}


def to_latex(leaderboard: LeaderboardTables) -> str:
    """Return a file for ``\\input``: scores in points, with the differences to the reference below them.

    It compiles with LaTeX's base packages alone. Names are escaped. Characters that pdfLaTeX cannot set without
    further packages are written as code points, e.g. U+6F22.
    """
    tables = [line for table in leaderboard.tables for line in _table(table)]
    if note := sentences.several_tables_note(leaderboard.tables):
        tables += [f"% {note}"]
    return HEAD + "\n".join([*(tables or ["% No runs are recorded."]), ""])


def escape(text: str) -> str:
    """Escape `text` so that LaTeX prints it unchanged, on one line."""
    return "".join(map(_escape_character, unicodedata.normalize("NFC", " ".join(text.split()))))


def _escape_character(character: str) -> str:
    if character in SPECIAL:
        return SPECIAL[character]
    if character.isascii() and character.isprintable():
        return character
    parts = unicodedata.normalize("NFD", character)
    letter, accent = parts[0], parts[1:]
    if letter.isascii() and letter.isalpha() and accent in ACCENTS:
        base = {"i": r"\i", "j": r"\j"}.get(letter, letter) if accent != "\u0327" else letter
        return f"\\{ACCENTS[accent]}{{{base}}}"
    return f"U+{ord(character):04X}"


def _table(table: LeaderboardTable) -> Iterator[str]:
    sheet = score_sheet(table, "scores for a paper")
    rows = [[cell.lines for cell in row] for row in sheet.rows]
    yield r"\begin{table}[tbp]"
    yield r"\centering\small\setlength{\tabcolsep}{4pt}"
    yield rf"\begin{{tabular}}{{@{{}}l{'c' * (len(sheet.header) - 1)}@{{}}}}"
    yield r"\toprule"
    yield from _stacked([list(map(escape, lines)) for lines in sheet.header], r" \\")
    yield r"\midrule"
    for (name, *_), *cells in rows[: sheet.references]:
        yield from _stacked([[rf"\emph{{{name}}}"], *map(_number, cells)], r" \\")
    yield r"\midrule"
    for names, *cells in rows[sheet.references :]:
        yield from _stacked([[_name(names)], *map(_number, cells)], r" \\[2pt]")
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield rf"\caption{{{_caption(table)}}}"
    yield rf"\label{{tab:matekd-bench-{NOT_IN_LABEL.sub('-', table.protocol_id)}}}"
    yield r"\end{table}"


def _stacked(cells: Sequence[Sequence[str]], end: str) -> Iterator[str]:
    """Format a row, the lines of its cells below each other; `end` ends its last line."""
    height = max(map(len, cells))
    for at in range(height):
        line = " & ".join(lines[at] if at < len(lines) else "" for lines in cells)
        yield line + (end if at == height - 1 else r" \\")


def _name(lines: Sequence[str]) -> str:
    name, *flags = map(escape, lines)
    return " ".join([name, *(rf"{{\footnotesize {flag}}}" for flag in flags)])


def _number(lines: Sequence[str]) -> list[str]:
    """Format the lines of a cell, signed numbers in math mode for a proper minus, those after the first small."""
    first, *others = (SIGNED.sub(r"$\g<0>$", escape(line)) for line in lines)
    return ["--" if first == NO_VALUE else first, *(rf"\footnotesize {line}" for line in others)]


def _caption(table: LeaderboardTable) -> str:
    data = (f"{sentences.data_line(column, table)}." for column in table.columns if column.partial)
    return escape(
        " ".join(
            (
                f"{sentences.title(table)}.",
                result(table),
                sentences.how_to_read(table),
                *data,
                *sentences.remarks(table),
            )
        )
    )
