"""Documents of a leaderboard read back as tables of text: lists of rows, the header first, each a list of cells."""

from __future__ import annotations

import html
import io
import re
from itertools import groupby

from rich.console import Console

from matekd_bench.results.leaderboard.table import LeaderboardTables
from matekd_bench.results.report.sheets import Sheet, View
from matekd_bench.results.report.text import render

# How much better than chance the methods of the study of `results/report/conftest.py` answer.
GAINS = {"kd": 0.0, "better-one": 0.9, "worse-one": -0.9, "kd@2x": 0.1}
Cells = list[list[str]]
LATEX_SIGNS = {
    r"\uparrow": "↑",
    r"\downarrow": "↓",
    r"\approx": "≈",
    r"\times": "×",
    r"\pm": "±",
    "^{*}": "*",
    "$": "",
    "{[}": "[",
    "{]}": "]",
}


def printed(
    board: LeaderboardTables, width: int, terminal: bool, view: View = "overall", *, notes: bool = True
) -> str:
    """What the screen shows, without colors."""
    file = io.StringIO()
    render(
        board,
        Console(file=file, width=width, force_terminal=terminal, no_color=True, legacy_windows=False),
        view,
        with_notes=notes,
    )
    return re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue())


def cells_of(sheet: Sheet) -> Cells:
    """The cells of a sheet, the lines of each joined."""
    rows = [sheet.header, *([cell.lines for cell in row] for row in sheet.rows)]
    return [[" ".join(lines) for lines in row] for row in rows]


def collapsed(text: str) -> str:
    """The lines with words, each with single spaces, without rules."""
    lines = (" ".join(re.sub(r"[─━]+", "", line).split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def pipe_tables(text: str) -> list[Cells]:
    """The tables of text whose cells are separated by bars."""
    return [
        [[cell.strip() for cell in line.split("|")] for line in lines if not re.fullmatch(r"[-+]+", line)]
        for is_table, lines in groupby(text.splitlines(), lambda line: "|" in line or "-+-" in line)
        if is_table
    ]


def markdown_tables(text: str) -> list[Cells]:
    """The tables of Markdown."""
    tables = [
        [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if not line.startswith("| ---")]
        for is_table, lines in groupby(text.splitlines(), lambda line: line.startswith("|"))
        if is_table
    ]
    return [
        [[html.unescape(cell).replace("\\|", "|").strip() for cell in row] for row in rows] for rows in tables
    ]


def html_tables(page: str) -> list[Cells]:
    """The tables of a page."""
    tables = re.findall(r"<table.*?</table>", page, re.DOTALL)
    return [[_html_row(row) for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL)] for table in tables]


def _html_row(row: str) -> list[str]:
    cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
    return [" ".join(html.unescape(re.sub(r"<[^>]*>", " ", cell)).split()) for cell in cells]


def latex_table(text: str) -> Cells:
    """The one table of a LaTeX file, the lines of each cell joined."""
    text = re.sub(r"\$_\{([\d.]+)\}\$", r" ± \1", text)  # the standard deviation
    for sign, said in LATEX_SIGNS.items():
        text = text.replace(sign, said)
    text = re.sub(r"\\(?:scriptsize|tiny) ([+-][^&\\\n]*?) ?(?=&|\\\\)", r"(\1) ", text)  # differences
    body = re.sub(r"\\(?:scriptsize|tiny|emph) ?|[{}]", "", text)
    head, references, students = re.split(r"\\(?:top|mid|bottom)rule", body.partition("begintabular")[2])[1:4]
    rows = [head, *references.split("\\\\"), *students.split(r"\\[2pt]")]
    return [_stacked(row) for row in rows if row.strip()]


def _stacked(row: str) -> list[str]:
    lines = [line.split("&") for line in row.split("\\\\") if line.strip()]
    joined = [" ".join(" ".join(parts).split()) for parts in zip(*lines, strict=True)]
    return [re.sub(r"^--(?= |$)", "-", cell) for cell in joined]
