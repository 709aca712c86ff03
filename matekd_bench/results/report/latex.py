r"""Renders the leaderboard as LaTeX: one booktabs table per protocol, for ``\input`` in a paper."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from matekd_bench.results.leaderboard.glue_score import DEFINITIONS
from matekd_bench.results.leaderboard.table import Leaderboard, LeaderboardRow, LeaderboardTable, ScoreCell
from matekd_bench.results.report import main_tables
from matekd_bench.results.report.main_tables import MARKS, points

HEAD = r"""% A table per protocol, for \input. \usepackage{booktabs} gives its rules; without it they are plain lines.
\providecommand{\toprule}{\hline}
\providecommand{\midrule}{\hline}
\providecommand{\bottomrule}{\hline}
"""
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


def to_latex(leaderboard: Leaderboard) -> str:
    """Return a file for ``\\input``: scores in points, with the differences to the reference below them.

    It compiles with LaTeX's base packages alone. Names are escaped. Characters that pdfLaTeX cannot set without
    further packages are written as code points, e.g. U+6F22.
    """
    tables = [line for table in leaderboard.tables for line in _table(table)]
    if note := main_tables.several_tables_note(leaderboard.tables):
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
    yield _line(_reference_cells("teacher", (column.teacher_score for column in table.columns)), len(header))
    majority = (column.majority_score for column in table.columns)
    yield _line(_reference_cells("majority class", majority), len(header))
    yield r"\midrule"
    for row in table.rows:
        scores = [_score(row.cells.get(column.name), table) for column in table.columns]
        cells = [_name(row), *scores, *(points(row.scores.get(name)) for name in means)]
        cells += [_difference(row)] * over_tasks
        differences = [_difference_below(row.cells.get(column.name)) for column in table.columns]
        ratio = [_flops_ratio(row)] * (table.reference is not None)
        yield _line([*cells, *ratio], len(header), last=not any(differences))
        if any(differences):
            yield _line(["", *differences], len(header), last=True)
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield rf"\caption{{{_caption(table)}}}"
    yield rf"\label{{tab:matekd-bench-{NOT_IN_LABEL.sub('-', table.protocol_id)}}}"
    yield r"\end{table}"


def _line(cells: Iterable[str], width: int, *, last: bool = False) -> str:
    """Format one line of the table, padded with empty cells to `width`; the `last` line of a row adds some space."""
    padded = list(cells)
    padded += [""] * (width - len(padded))
    return " & ".join(padded) + (r" \\[2pt]" if last else r" \\")


def _reference_cells(name: str, scores: Iterable[float | None]) -> Iterator[str]:
    yield rf"\emph{{{name}}}"
    yield from map(points, scores)


def _name(row: LeaderboardRow) -> str:
    name, *flags = main_tables.label(row)
    return " ".join([escape(name), *(rf"{{\footnotesize {escape(flag)}}}" for flag in flags)])


def _score(cell: ScoreCell | None, table: LeaderboardTable) -> str:
    """Format mean and standard deviation, and the number of seeds if it differs from the caption's or one failed."""
    if cell is None:
        return ""
    text = points(cell.mean) or "--"
    spread = rf" $\pm$ {points(cell.sd)}" if cell.sd is not None else ""
    show_n = cell.n_failed or (cell.mean is not None and cell.n < table.seeds)
    return text + spread + rf"\textsubscript{{n={cell.n}}}" * bool(show_n)


def _difference(mark: LeaderboardRow | ScoreCell) -> str:
    """Format a difference in points, in math mode for a proper minus, with the mark of its verdict; "" for none."""
    if mark.delta is None:
        return ""
    sign = escape(MARKS.get(mark.verdict, ""))
    return f"${points(mark.delta, signed=True)}$" + rf"\,{sign}" * bool(sign)


def _difference_below(cell: ScoreCell | None) -> str:
    """Format the line below a score: the difference to the reference, "" for none."""
    difference = "" if cell is None else _difference(cell)
    return rf"\footnotesize ({difference})" if difference else ""


def _flops_ratio(row: LeaderboardRow) -> str:
    ratio = row.cost.flops_x_reference if row.cost else None
    return "--" if ratio is None else f"{ratio:.2f}"


def _caption(table: LeaderboardTable) -> str:
    return escape(
        " ".join(
            (f"{main_tables.title(table)}.", main_tables.how_to_read(table), *main_tables.remarks(table))
        )
    )
