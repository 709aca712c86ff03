"""Prints the leaderboard on a terminal and renders it as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from matekd_bench.results.leaderboard.table import Leaderboard, LeaderboardTable
from matekd_bench.results.report import detail_tables, main_tables
from matekd_bench.results.report.detail_tables import View
from matekd_bench.results.report.main_tables import Sheet

SEPARATOR = 3  # characters between two cells
NAME_WIDTH = 28  # longer method names are folded if the screen is too narrow for all columns
ASCII = str.maketrans(
    {"±": "+/-", "×": "x", "↑": "^", "↓": "v", "≈": "~", "–": "-", "—": "-", "’": "'", "“": '"', "”": '"'}
)

TextFilter = Callable[[str], str]  # `ascii_only`, or `str` for no change


def render(leaderboard: Leaderboard, console: Console, view: View = "overall") -> None:
    """Print the tables of a view with their explanations.

    Columns that do not fit into the console's width go into further tables below. If the console is not a terminal,
    only ASCII is printed.
    """
    text_filter = str if console.is_terminal else ascii_only
    tables = leaderboard.tables
    if not tables:
        _print_text(console, "No runs are recorded.", text_filter)
    for number, table in enumerate(tables):
        if number:
            console.print()
        _render_table(table, console, text_filter, view)
    if note := main_tables.several_tables_note(tables):
        console.print()
        _print_text(console, note, text_filter)
    for line in main_tables.protocol_lines(leaderboard):
        _print_text(console, line, text_filter)


def ascii_only(text: str) -> str:
    """Convert `text` to ASCII: known signs get a replacement, other characters become escapes."""
    return text.translate(ASCII).encode("ascii", "backslashreplace").decode()


def _render_table(table: LeaderboardTable, console: Console, text_filter: TextFilter, view: View) -> None:
    _print_text(console, main_tables.title(table), text_filter, style="bold")
    for heading, sheet in detail_tables.sheets_of_view(table, view):
        if heading:
            console.print()
            _print_text(console, heading, text_filter)
        for part, name_width in split_to_width(_filtered(sheet, text_filter), console.width):
            console.print()
            console.print(_rich_table(part, name_width, console.is_terminal))
    console.print()
    _print_text(console, main_tables.how_to_read(table), text_filter)
    for column in table.columns:
        _print_text(console, main_tables.data_line(column, table), text_filter)
    for remark in main_tables.remarks(table):
        _print_text(console, f"note: {remark}", text_filter)


def _print_text(console: Console, text: str, text_filter: TextFilter, style: str = "") -> None:
    """Print text without reading markup, so that ``eda[alpha=0.2]`` is printed unchanged."""
    console.print(Text(text_filter(text), style=style))


def _filtered(sheet: Sheet, text_filter: TextFilter) -> Sheet:
    def lines(cell: Sequence[str]) -> tuple[str, ...]:
        return tuple(map(text_filter, cell))

    rows = tuple(tuple(map(lines, row)) for row in sheet.rows)
    return Sheet(tuple(map(lines, sheet.header)), rows, sheet.references)


def split_to_width(sheet: Sheet, width: int) -> list[tuple[Sheet, int]]:
    """Split the sheet into sheets no wider than `width`, each with the column of names and the width of that column.

    If one sheet is enough, the lines of each cell are joined into one. Otherwise they stay stacked. Long names are
    folded only if needed.
    """
    joined = _lines_joined(sheet)
    name_width, *widths = _widths(joined)
    for candidate in (name_width, min(name_width, NAME_WIDTH + SEPARATOR)):
        if candidate + sum(widths) <= width:
            return [(joined, candidate - SEPARATOR)]
    sheet = _names_joined(sheet)
    name_width, *widths = _widths(sheet)
    name_width = min(name_width, NAME_WIDTH + SEPARATOR)
    parts: list[list[int]] = [[]]
    used_width = name_width
    for index, column_width in enumerate(widths, start=1):
        if parts[-1] and used_width + column_width > width:
            parts.append([])
            used_width = name_width
        parts[-1].append(index)
        used_width += column_width
    return [(_select_columns(sheet, (0, *part)), name_width - SEPARATOR) for part in parts]


def _lines_joined(sheet: Sheet) -> Sheet:
    rows = tuple(tuple((" ".join(cell),) for cell in row) for row in sheet.rows)
    return Sheet(tuple((" ".join(cell),) for cell in sheet.header), rows, sheet.references)


def _names_joined(sheet: Sheet) -> Sheet:
    """Put each row's name on one line if it is short enough."""

    def join_name(cell: tuple[str, ...]) -> tuple[str, ...]:
        joined = " ".join(cell)
        return (joined,) if len(joined) <= NAME_WIDTH else cell

    return Sheet(sheet.header, tuple((join_name(row[0]), *row[1:]) for row in sheet.rows), sheet.references)


def _select_columns(sheet: Sheet, indices: Sequence[int]) -> Sheet:
    def pick(row: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
        return tuple(row[index] for index in indices)

    return Sheet(pick(sheet.header), tuple(map(pick, sheet.rows)), sheet.references)


def _widths(sheet: Sheet) -> list[int]:
    """Return the width of every column, including its separator."""
    columns = zip(sheet.header, *sheet.rows, strict=True)
    return [max(len(line) for cell in column for line in cell) + SEPARATOR for column in columns]


def _rich_table(sheet: Sheet, name_width: int, terminal: bool) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD if terminal else box.ASCII, show_edge=False, pad_edge=False)
    for index, heading in enumerate(sheet.header):
        text = Text("\n".join(heading))
        if index == 0:
            table.add_column(text, overflow="fold", max_width=name_width)
        else:
            table.add_column(text, justify="right", no_wrap=True)
    for number, row in enumerate(sheet.rows, start=1):
        style = "dim" if number <= sheet.references else ""
        cells = [Text("\n".join(cell), style=style) for cell in row]
        table.add_row(*cells, end_section=number == sheet.references)
    return table


def to_markdown(leaderboard: Leaderboard) -> str:
    """Render the leaderboard as Markdown: the tables and sentences of :func:`render`, each cell on one line."""
    return "\n".join(_markdown_lines(leaderboard))


def _markdown_lines(leaderboard: Leaderboard) -> Iterator[str]:
    for table in leaderboard.tables:
        yield from (escape(main_tables.title(table)), "")
        yield from (
            *markdown_table(main_tables.score_sheet(table)),
            "",
            escape(main_tables.how_to_read(table)),
            "",
        )
        if detail_tables.has_comparison(table):
            yield from (*markdown_table(detail_tables.comparison_sheet(table)), "")
        yield from (*markdown_table(main_tables.cost_sheet(table)), "")
        yield from (f"- {escape(main_tables.data_line(column, table))}" for column in table.columns)
        yield from (f"- {escape(remark)}" for remark in main_tables.remarks(table))
        yield ""
    if note := main_tables.several_tables_note(leaderboard.tables):
        yield from (note, "")
    if leaderboard.differences:
        yield from (*(f"- {escape(line)}" for line in main_tables.protocol_lines(leaderboard)), "")


def markdown_table(sheet: Sheet) -> Iterator[str]:
    """Yield the lines of a Markdown table, with names aligned left and the other columns right."""
    lines = [[escape(" ".join(cell)) for cell in row] for row in (sheet.header, *sheet.rows)]
    rule = ["---", *["---:"] * (len(sheet.header) - 1)]
    for line in (lines[0], rule, *lines[1:]):
        yield f"| {' | '.join(line)} |"


def escape(text: str) -> str:
    """Escape `text` so that Markdown shows it unchanged, on one line."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return " ".join(escaped.split())
