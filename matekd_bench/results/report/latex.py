r"""The leaderboard as LaTeX: a booktabs table per protocol, to be read with ``\input`` into a paper."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from matekd_bench.results.leaderboard.glue_score import DEFINITIONS
from matekd_bench.results.leaderboard.table import Leaderboard, LeaderboardRow, LeaderboardTable, ScoreCell
from matekd_bench.results.report import wording
from matekd_bench.results.report.wording import MARKS, points

HEAD = r"""% A table per protocol, for \input. \usepackage{booktabs} gives its rules; without it they are plain lines.
\providecommand{\toprule}{\hline}
\providecommand{\midrule}{\hline}
\providecommand{\bottomrule}{\hline}
"""
NO_LABEL = re.compile(r"[^A-Za-z0-9-]")

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
    "[": "{[}",  # after \\ a bracket would be read as a length
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
# Combining accents that every LaTeX can set over a letter.
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


def to_latex(leaderboard: Leaderboard) -> str:
    """The leaderboard as a file for ``\\input``: scores in points, differences to the reference below them.

    It compiles with LaTeX's base packages alone. Names are escaped; characters that pdfLaTeX cannot set without
    more packages are written as their code point, e.g. U+6F22.
    """
    tables = [line for table in leaderboard.tables for line in _table(table)]
    if note := wording.between(leaderboard.tables):
        tables += [f"% {note}"]
    return HEAD + "\n".join([*(tables or ["% No runs are recorded."]), ""])


def escape(text: str) -> str:
    """`text` so that LaTeX prints it as it is, on one line."""
    return "".join(map(_escape, unicodedata.normalize("NFC", " ".join(text.split()))))


def _escape(character: str) -> str:
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
    means = [name for name in DEFINITIONS if any(name in row.scores for row in table.rows)]
    over_tasks = any(row.delta is not None for row in table.rows) and table.compared > 1
    header = ["method", *(column.name for column in table.columns), *means]
    header += [f"mean diff. to {table.reference}"] * over_tasks
    header += [f"× {table.reference} FLOPs"] * (table.reference is not None)
    yield r"\begin{table}[tbp]"
    yield r"\centering\small\setlength{\tabcolsep}{4pt}"
    yield rf"\begin{{tabular}}{{@{{}}l{'c' * (len(header) - 1)}@{{}}}}"
    yield r"\toprule"
    yield _line(map(escape, header), len(header))
    yield r"\midrule"
    yield _line(_reference("teacher", (column.teacher_score for column in table.columns)), len(header))
    majority = (column.majority_score for column in table.columns)
    yield _line(_reference("majority class", majority), len(header))
    yield r"\midrule"
    for row in table.rows:
        scores = [_score(row.cells.get(column.name), table) for column in table.columns]
        cells = [_name(row), *scores, *(points(row.scores.get(name)) for name in means)]
        cells += [_difference(row)] * over_tasks
        small = [_below(row.cells.get(column.name)) for column in table.columns]
        ratio = [_ratio(row)] * (table.reference is not None)
        yield _line([*cells, *ratio], len(header), last=not any(small))
        if any(small):
            yield _line(["", *small], len(header), last=True)
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield rf"\caption{{{_caption(table)}}}"
    yield rf"\label{{tab:matekd-bench-{NO_LABEL.sub('-', table.protocol_id)}}}"
    yield r"\end{table}"


def _line(cells: Iterable[str], width: int, *, last: bool = False) -> str:
    """One line of the table, filled up with empty cells; a little room follows the `last` of a row's."""
    given = list(cells)
    return " & ".join([*given, *[""] * (width - len(given))]) + (r" \\[2pt]" if last else r" \\")


def _reference(name: str, scores: Iterable[float | None]) -> Iterator[str]:
    yield rf"\emph{{{name}}}"
    yield from map(points, scores)


def _name(row: LeaderboardRow) -> str:
    name, *flags = wording.label(row)
    return " ".join([escape(name), *(rf"{{\footnotesize {escape(flag)}}}" for flag in flags)])


def _score(cell: ScoreCell | None, table: LeaderboardTable) -> str:
    """Mean and standard deviation, and how many seeds where that is not what the caption says."""
    if cell is None:
        return ""
    text = points(cell.mean) or "--"
    spread = rf" $\pm$ {points(cell.sd)}" if cell.sd is not None else ""
    few = cell.n_failed or (cell.mean is not None and cell.n < table.seeds)
    return text + spread + rf"\textsubscript{{n={cell.n}}}" * bool(few)


def _difference(mark: LeaderboardRow | ScoreCell) -> str:
    """A difference in points with a minus that is one, and the mark of its verdict; "" for none."""
    if mark.delta is None:
        return ""
    sign = escape(MARKS.get(mark.verdict, ""))
    return f"${points(mark.delta, signed=True)}$" + rf"\,{sign}" * bool(sign)


def _below(cell: ScoreCell | None) -> str:
    """What stands below a score: the difference to the reference."""
    difference = "" if cell is None else _difference(cell)
    return rf"\footnotesize ({difference})" if difference else ""


def _ratio(row: LeaderboardRow) -> str:
    ratio = row.cost.flops_x_reference if row.cost else None
    return "--" if ratio is None else f"{ratio:.2f}"


def _caption(table: LeaderboardTable) -> str:
    return escape(" ".join((f"{wording.title(table)}.", wording.reading(table), *wording.remarks(table))))
