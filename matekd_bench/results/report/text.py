"""Prints the leaderboard on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from matekd_bench.files.printable import printable
from matekd_bench.results.leaderboard.table import LeaderboardTable, LeaderboardTables
from matekd_bench.results.report import sentences
from matekd_bench.results.report.result_sentence import result
from matekd_bench.results.report.sheets import Sheet, View, sheets_of_view

SEPARATOR = 3  # characters between two cells
NAME_WIDTH = 28  # longer method names are folded if the screen is too narrow for all columns
ASCII = str.maketrans(
    {"±": "+/-", "×": "x", "↑": "^", "↓": "v", "≈": "~", "–": "-", "—": "-", "’": "'", "“": '"', "”": '"'}
)

TextFilter = Callable[[str], str]  # `printable`, or `ascii_only`
Lines: TypeAlias = tuple[str, ...]  # of one cell
Grid: TypeAlias = Sequence[Sequence[Lines]]  # the header, then the rows


def render(leaderboard: LeaderboardTables, console: Console, view: View = "overall") -> None:
    """Print the tables of a view with their explanations.

    Columns that do not fit into the console's width go into further tables below. If the console is not a terminal,
    only ASCII is printed.
    """
    text_filter = printable if console.is_terminal else ascii_only
    tables = leaderboard.tables
    if not tables:
        _print_text(console, "No runs are recorded.", text_filter)
    for number, table in enumerate(tables):
        if number:
            console.print()
        _render_table(table, console, text_filter, view)
    if note := sentences.several_tables_note(tables):
        console.print()
        _print_text(console, note, text_filter)
    for line in sentences.protocol_lines(leaderboard):
        _print_text(console, line, text_filter)


def ascii_only(text: str) -> str:
    """Convert `text` to printable ASCII: known signs get a replacement, other characters become escapes."""
    return printable(text).translate(ASCII).encode("ascii", "backslashreplace").decode()


def _render_table(table: LeaderboardTable, console: Console, text_filter: TextFilter, view: View) -> None:
    _print_text(console, sentences.title(table), text_filter, style="bold")
    _print_text(console, result(table), text_filter)
    for _, sheet in sheets_of_view(table, view):
        if sheet.title:
            console.print()
            _print_text(console, sheet.title, text_filter)
        for part, name_width in split_to_width(_grid(sheet, text_filter), console.width):
            console.print()
            console.print(_rich_table(part, name_width, sheet.references, console.is_terminal))
    console.print()
    _print_text(console, sentences.how_to_read(table), text_filter)
    for column in table.columns:
        _print_text(console, sentences.data_line(column, table), text_filter)
    for remark in sentences.remarks(table):
        _print_text(console, f"note: {remark}", text_filter)


def _print_text(console: Console, text: str, text_filter: TextFilter, style: str = "") -> None:
    """Print text without reading markup, so that ``eda[alpha=0.2]`` is printed unchanged."""
    console.print(Text(text_filter(text), style=style))


def _grid(sheet: Sheet, text_filter: TextFilter) -> Grid:
    lines = [sheet.header, *(tuple(cell.lines for cell in row) for row in sheet.rows)]
    return [[tuple(map(text_filter, cell)) for cell in row] for row in lines]


def split_to_width(grid: Grid, width: int) -> list[tuple[Grid, int]]:
    """Split the grid into grids no wider than `width`, each with the column of names and the width of that column.

    If one grid is enough, the lines of each cell are joined into one. Otherwise they stay stacked. Long names are
    folded only if needed.
    """
    joined = [[(" ".join(cell),) for cell in row] for row in grid]
    name_width, *widths = _widths(joined)
    for candidate in (name_width, min(name_width, NAME_WIDTH + SEPARATOR)):
        if candidate + sum(widths) <= width:
            return [(joined, candidate - SEPARATOR)]
    grid = [[_join_name(row[0]), *row[1:]] for row in grid]
    name_width, *widths = _widths(grid)
    name_width = min(name_width, NAME_WIDTH + SEPARATOR)
    parts: list[list[int]] = [[]]
    used_width = name_width
    for index, column_width in enumerate(widths, start=1):
        if parts[-1] and used_width + column_width > width:
            parts.append([])
            used_width = name_width
        parts[-1].append(index)
        used_width += column_width
    return [
        ([[row[index] for index in (0, *part)] for row in grid], name_width - SEPARATOR) for part in parts
    ]


def _join_name(cell: Lines) -> Lines:
    """Put a row's name on one line if it is short enough."""
    joined = " ".join(cell)
    return (joined,) if len(joined) <= NAME_WIDTH else cell


def _widths(grid: Grid) -> list[int]:
    """Return the width of every column, including its separator."""
    columns = zip(*grid, strict=True)
    return [max(len(line) for cell in column for line in cell) + SEPARATOR for column in columns]


def _rich_table(grid: Grid, name_width: int, references: int, terminal: bool) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD if terminal else box.ASCII, show_edge=False, pad_edge=False)
    for index, heading in enumerate(grid[0]):
        text = Text("\n".join(heading))
        if index == 0:
            table.add_column(text, overflow="fold", max_width=name_width)
        else:
            table.add_column(text, justify="right", no_wrap=True)
    for number, row in enumerate(grid[1:], start=1):
        style = "dim" if number <= references else ""
        cells = [Text("\n".join(cell), style=style) for cell in row]
        table.add_row(*cells, end_section=number == references)
    return table
