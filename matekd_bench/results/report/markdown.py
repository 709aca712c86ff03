"""Renders the leaderboard, or any table of text, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matekd_bench.files.printable import printable
from matekd_bench.results.leaderboard.table import LeaderboardTables
from matekd_bench.results.report import sentences
from matekd_bench.results.report.result_sentence import result
from matekd_bench.results.report.sheets import View, sheets_of_view

# Characters that could begin an element of HTML, a cell, code or an escape. Only `](` makes brackets a link.
SPECIAL = str.maketrans({"&": "&amp;", "<": "&lt;", "|": "\\|", "`": "&#96;", "\\": "&#92;"})


def to_markdown(leaderboard: LeaderboardTables, view: View = "overall") -> str:
    """Render the leaderboard as Markdown: the tables and sentences of the terminal, each cell on one line."""
    return "\n".join(_lines(leaderboard, view))


def _lines(leaderboard: LeaderboardTables, view: View) -> Iterator[str]:
    for table in leaderboard.tables:
        yield from (escape(sentences.title(table)), "", escape(result(table)), "")
        for number, (_, sheet) in enumerate(sheets_of_view(table, view)):
            rows = ([" ".join(cell.lines) for cell in row] for row in sheet.rows)
            if sheet.title:
                yield from (escape(sheet.title), "")
            yield from (*markdown_table([[" ".join(lines) for lines in sheet.header], *rows]), "")
            if number == 0:
                yield from (escape(sentences.how_to_read(table)), "")
        yield from (f"- {escape(sentences.data_line(column, table))}" for column in table.columns)
        yield from (f"- {escape(remark)}" for remark in sentences.remarks(table))
        yield ""
    if note := sentences.several_tables_note(leaderboard.tables):
        yield from (note, "")
    if leaderboard.differences:
        yield from (*(f"- {escape(line)}" for line in sentences.protocol_lines(leaderboard)), "")


def markdown_table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table from its header and rows, names aligned left, the other columns right."""
    lines = [f"| {' | '.join(map(escape, row))} |" for row in rows]
    yield from (lines[0], f"| {' | '.join(['---', *['---:'] * (len(rows[0]) - 1)])} |", *lines[1:])


def escape(text: str) -> str:
    """Escape `text` so that Markdown shows it unchanged, on one line."""
    return " ".join(printable(text.translate(SPECIAL).replace("](", "]\\(")).split())
