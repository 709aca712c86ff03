r"""Renders the leaderboard as LaTeX: a booktabs table per protocol that fits on the page, for ``\input`` in a paper."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence

from matekd_bench.files.printable import printable
from matekd_bench.results.leaderboard.table import LeaderboardTable, LeaderboardTables, TaskColumn
from matekd_bench.results.report import sentences
from matekd_bench.results.report.cells import dev_rows, metric_heading
from matekd_bench.results.report.latex.caption import caption
from matekd_bench.results.report.latex.cell_lines import (
    CellLine,
    FontSize,
    heading_lines,
    name_lines,
    number_lines,
)
from matekd_bench.results.report.latex.page_fit import Fit, Row, fit
from matekd_bench.results.report.result_sentence import result
from matekd_bench.results.report.sheets import Sheet, also_sheet, score_sheet

HEAD = r"""% A table per protocol, for \input. \usepackage{booktabs} gives its rules; without it they are plain lines.
\providecommand{\toprule}{\hline}
\providecommand{\midrule}{\hline}
\providecommand{\bottomrule}{\hline}
"""
NOT_IN_LABEL = re.compile(r"[^A-Za-z0-9-]")


def to_latex(leaderboard: LeaderboardTables, columns: int = 2, *, cost: bool = True) -> str:
    """Return a file for ``\\input``: scores in points, with the differences to the reference below them.

    Further sets have a table of their own. The paper has 1 or 2 `columns`. With `cost` the last column shows the cost
    of each method. A table fits into a column if it can, else across the page; one that is too wide for the page is
    printed in parts. It compiles with LaTeX's base packages alone. Sentences that do not fit into the caption are
    comments. Names are escaped. Characters that pdfLaTeX cannot set without further packages are written as code
    points, e.g. U+6F22.
    """
    tables = [line for table in leaderboard.tables for line in _table(table, columns, cost)]
    if note := sentences.several_tables_note(leaderboard.tables):
        tables += [f"% {note}", *_comments(sentences.protocol_lines(leaderboard))]
    return HEAD + "\n".join([*(tables or ["% No runs are recorded."]), ""])


def _table(table: LeaderboardTable, columns: int, cost: bool) -> Iterator[str]:
    """Yield the scores on tasks, then those on further sets as a table of their own, then comments on both."""
    sheet = score_sheet(table, "scores for a paper" if cost else "scores")
    left_out = [*(yield from _environment(sheet, table, columns, cost=cost))]
    if table.also is not None:
        left_out += yield from _environment(also_sheet(table.also), table.also, columns, further=True)
    yield from _comments([*left_out, *_explanations(table, cost)])


def _environment(
    sheet: Sheet, table: LeaderboardTable, columns: int, *, cost: bool = False, further: bool = False
) -> Generator[str, None, list[str]]:
    """Yield one table in as many parts as it needs; return the sentences for which its caption has no room."""
    header, rows = _header(sheet, table), _rows(sheet)
    layout = fit([header, *rows], columns)
    text, left_out = caption(table, layout, cost=cost, further=further)
    label = f"tab:matekd-bench-{NOT_IN_LABEL.sub('-', table.protocol_id)}{'-sets' * further}"
    for number, part in enumerate(layout.parts):
        yield rf"\begin{{{layout.place.environment}}}[tbp]"
        yield rf"\centering\{layout.size.command}\setlength{{\tabcolsep}}{{{layout.size.gap}pt}}"
        if number:
            yield r"\addtocounter{table}{-1}"
        yield from _tabular([header, *rows], sheet.references, layout, part)
        yield rf"\caption{{{'(continued)' if number else text}}}"
        if not number:
            yield rf"\label{{{label}}}"
        yield rf"\end{{{layout.place.environment}}}"
    return left_out


def _header(sheet: Sheet, table: LeaderboardTable) -> Row:
    method, *headings = sheet.header
    tasks, others = headings[: len(table.columns)], headings[len(table.columns) :]
    return [
        heading_lines(method),
        *(
            heading_lines(_with_dev_rows(lines, task))
            for lines, task in zip(tasks, table.columns, strict=True)
        ),
        *map(heading_lines, others),
    ]


def _with_dev_rows(heading: Sequence[str], task: TaskColumn) -> list[str]:
    """Add the number of scored examples to the heading of a task, after the name and the metric."""
    at = 2 if metric_heading(task) else 1
    return [*heading[:at], *filter(None, [dev_rows(task)]), *heading[at:]]


def _rows(sheet: Sheet) -> list[Row]:
    return [
        [
            name_lines(name.lines, emphasized=number < sheet.references),
            *(number_lines(cell.lines) for cell in cells),
        ]
        for number, (name, *cells) in enumerate(sheet.rows)
    ]


def _tabular(rows: Sequence[Row], references: int, layout: Fit, part: Sequence[int]) -> Iterator[str]:
    header, *others = [[row[index] for index in (0, *part)] for row in rows]
    yield rf"\begin{{tabular}}{{@{{}}l{'c' * len(part)}@{{}}}}"
    yield r"\toprule"
    yield from _stacked(header, layout.size, r" \\")
    yield r"\midrule"
    for row in others[:references]:
        yield from _stacked(row, layout.size, r" \\")
    yield r"\midrule"
    for row in others[references:]:
        yield from _stacked(row, layout.size, r" \\[2pt]")
    yield r"\bottomrule"
    yield r"\end{tabular}"


def _stacked(row: Row, size: FontSize, end: str) -> Iterator[str]:
    """Format a row, the lines of its cells below each other; `end` ends its last line."""
    height = max(map(len, row))
    for at in range(height):
        cells = (lines[at] if at < len(lines) else CellLine("") for lines in row)
        yield " & ".join(cell.source(size) for cell in cells) + (end if at == height - 1 else r" \\")


def _explanations(table: LeaderboardTable, cost: bool) -> Iterator[str]:
    """Yield every sentence that the terminal prints about the table."""
    yield f"{sentences.title(table)}."
    yield result(table)
    yield sentences.how_to_read(table, cost=cost)
    yield from (f"{sentences.data_line(column, table)}." for column in table.columns)
    yield from sentences.remarks(table)


def _comments(texts: Sequence[str] | Iterator[str]) -> Iterator[str]:
    """Make each text a comment of one line."""
    yield from (f"% {printable(' '.join(text.split()))}" for text in texts)
