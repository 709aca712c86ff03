"""Prints the leaderboard on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from matekd_bench.files.printable import printable
from matekd_bench.results.leaderboard.glue_score import DEFINITIONS
from matekd_bench.results.leaderboard.table import LeaderboardTable, LeaderboardTables
from matekd_bench.results.report import sentences
from matekd_bench.results.report.cells import TableCell
from matekd_bench.results.report.result_sentence import result
from matekd_bench.results.report.sheets import Sheet, View, sheets_of_view

SEPARATOR = 3  # characters between two cells
NAME_WIDTH = 28  # longer method names are folded if the screen is too narrow for all columns
ASCII = str.maketrans(
    {"±": "+/-", "×": "x", "↑": "^", "↓": "v", "≈": "~", "–": "-", "—": "-", "’": "'", "“": '"', "”": '"'}
)

TextFilter = Callable[[str], str]  # `printable`, or `ascii_only`
Lines: TypeAlias = tuple[Text, ...]  # of one cell
Grid: TypeAlias = Sequence[Sequence[Lines]]  # the header, then the rows
STYLES = {"better": "green", "worse": "red", "inconclusive": "dim"}  # of differences, by verdict
BEST = "bold"  # the highest mean of a column


def render(
    leaderboard: LeaderboardTables, console: Console, view: View = "overall", *, with_notes: bool = False
) -> None:
    """Print the tables of a view with their explanations, the scores last; `with_notes` prints all notes.

    Columns that do not fit into the console's width go into further tables below. If the console is not a terminal,
    only ASCII is printed.
    """
    text_filter = printable if console.is_terminal else ascii_only
    tables = leaderboard.tables
    if not tables:
        _print_text(console, "No runs are recorded.", text_filter)
    if note := sentences.several_tables_note(tables):
        _print_text(console, note, text_filter)
        for line in sentences.protocol_lines(leaderboard):
            _print_text(console, line, text_filter)
        console.print()
    for number, table in enumerate(tables):
        if number:
            console.print()
        _render_table(table, console, text_filter, view, with_notes)


def ascii_only(text: str) -> str:
    """Convert `text` to printable ASCII: known signs get a replacement, other characters become escapes."""
    return printable(text).translate(ASCII).encode("ascii", "backslashreplace").decode()


def _render_table(
    table: LeaderboardTable, console: Console, text_filter: TextFilter, view: View, with_notes: bool
) -> None:
    _print_text(console, sentences.title(table), text_filter, style="bold")
    for line in _explanations(table, with_notes):
        _print_text(console, line, text_filter)
    # Readers see the end of the output first, so the result sentence and the scores come last.
    *others, last = sorted(sheets_of_view(table, view), key=lambda named: named[0] == "scores")
    for _, sheet in others:
        _print_sheet(table, sheet, console, text_filter)
    console.print()
    _print_text(console, result(table), text_filter)
    _print_sheet(table, last[1], console, text_filter)


def _explanations(table: LeaderboardTable, with_notes: bool) -> Iterator[str]:
    """Yield the sentences on reading the tables, the notes or their number, and the part that a filtered view shows."""
    yield sentences.how_to_read(table)
    notes = sentences.notes(table)
    if with_notes:
        yield from notes
    else:
        yield f"{len(notes)} note{'s' * (len(notes) != 1)}: 'leaderboard --notes' shows them."
    if table.part is not None:
        yield str(table.part)


def _print_sheet(table: LeaderboardTable, sheet: Sheet, console: Console, text_filter: TextFilter) -> None:
    if sheet.title:
        console.print()
        _print_text(console, sheet.title, text_filter)
    for part, name_width in split_to_width(_grid(sheet, table, text_filter), console.width):
        console.print()
        console.print(_rich_table(part, name_width, sheet.references, console.is_terminal))


def _print_text(console: Console, text: str, text_filter: TextFilter, style: str = "") -> None:
    """Print text without reading markup, so that ``eda[alpha=0.2]`` is printed unchanged."""
    console.print(Text(text_filter(text), style=style))


def _grid(sheet: Sheet, table: LeaderboardTable, text_filter: TextFilter) -> Grid:
    best = _best_cells(sheet, table)
    header = [tuple(Text(text_filter(line)) for line in lines) for lines in sheet.header]
    rows = [
        [_lines(cell, (index, key) in best, text_filter) for key, cell in zip(sheet.keys, row, strict=True)]
        for index, row in enumerate(sheet.rows)
    ]
    return [header, *rows]


def _best_cells(sheet: Sheet, table: LeaderboardTable) -> set[tuple[int, str]]:
    """Return row and key of the highest mean of each column of scores from which something can be concluded."""
    informative = [column.name for part in table.with_also for column in part.informative]
    scored = {*DEFINITIONS, *(f"{name}_mean" for name in informative)}
    best: set[tuple[int, str]] = set()
    for key, column in zip(sheet.keys, zip(*sheet.rows, strict=True), strict=False):
        means = {
            index: cell.sort
            for index, cell in enumerate(column)
            if index >= sheet.references and isinstance(cell.sort, float)
        }
        if key in scored and len(means) > 1:
            best |= {(index, key) for index, mean in means.items() if mean == max(means.values())}
    return best


def _lines(cell: TableCell, best: bool, text_filter: TextFilter) -> Lines:
    """Style a cell: the mean if it is the best of its column, the difference by its verdict."""
    lines = tuple(Text(text_filter(line)) for line in cell.lines)
    if best:
        lines[0].stylize(BEST)
    if style := STYLES.get(cell.kind):
        lines[min(1, len(lines) - 1)].stylize(style)  # the difference is below the mean, or alone
    return lines


def split_to_width(grid: Grid, width: int) -> list[tuple[Grid, int]]:
    """Split the grid into grids no wider than `width`, each with the column of names and the width of that column.

    If one grid is enough, the lines of each cell are joined into one. Otherwise they stay stacked. Long names are
    folded only if needed.
    """
    joined = [[(Text(" ").join(cell),) for cell in row] for row in grid]
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
    joined = Text(" ").join(cell)
    return (joined,) if len(joined) <= NAME_WIDTH else cell


def _widths(grid: Grid) -> list[int]:
    """Return the width of every column, including its separator."""
    columns = zip(*grid, strict=True)
    return [max(len(line) for cell in column for line in cell) + SEPARATOR for column in columns]


def _rich_table(grid: Grid, name_width: int, references: int, terminal: bool) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD if terminal else box.ASCII, show_edge=False, pad_edge=False)
    for index, heading in enumerate(grid[0]):
        text = Text("\n").join(heading)
        if index == 0:
            table.add_column(text, overflow="fold", max_width=name_width)
        else:
            table.add_column(text, justify="right", no_wrap=True)
    for number, row in enumerate(grid[1:], start=1):
        style = "dim" if number <= references else ""
        table.add_row(*(Text("\n").join(cell) for cell in row), style=style, end_section=number == references)
    return table
