"""The leaderboard on a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from matekd_bench.results.leaderboard.table import Leaderboard, LeaderboardTable
from matekd_bench.results.report import sheets, wording
from matekd_bench.results.report.sheets import View
from matekd_bench.results.report.wording import Sheet

SEPARATOR = 3  # columns between two cells
NAME_WIDTH = 28  # where the screen is too narrow for all columns, longer method names are folded
ASCII = str.maketrans(
    {"±": "+/-", "×": "x", "↑": "^", "↓": "v", "≈": "~", "–": "-", "—": "-", "’": "'", "“": '"', "”": '"'}
)

Plain = Callable[[str], str]


def render(leaderboard: Leaderboard, console: Console, view: View = "overall") -> None:
    """Prints the leaderboard: the tables of a view and the sentences that belong to them.

    Fits the console's width: columns that do not fit go into further tables below. Where the console is no
    terminal only ASCII is printed.
    """
    plain = str if console.is_terminal else ascii_only
    tables = leaderboard.tables
    if not tables:
        _say(console, "No runs are recorded.", plain)
    for number, table in enumerate(tables):
        if number:
            console.print()
        _render_table(table, console, plain, view)
    if note := wording.between(tables):
        console.print()
        _say(console, note, plain)
    for line in wording.protocol_lines(leaderboard):
        _say(console, line, plain)


def ascii_only(text: str) -> str:
    """`text` in ASCII: known signs spelled out, others as escapes."""
    return text.translate(ASCII).encode("ascii", "backslashreplace").decode()


def _render_table(table: LeaderboardTable, console: Console, plain: Plain, view: View) -> None:
    _say(console, wording.title(table), plain, style="bold")
    for heading, sheet in sheets.of_view(table, view):
        if heading:
            console.print()
            _say(console, heading, plain)
        for part, names in fit(_translated(sheet, plain), console.width):
            console.print()
            console.print(_rich(part, names, console.is_terminal))
    console.print()
    _say(console, wording.reading(table), plain)
    for column in table.columns:
        _say(console, wording.data_line(column, table), plain)
    for remark in wording.remarks(table):
        _say(console, f"note: {remark}", plain)


def _say(console: Console, text: str, plain: Plain, style: str = "") -> None:
    """Prints text as it is: what looks like markup, e.g. ``eda[alpha=0.2]``, stays."""
    console.print(Text(plain(text), style=style))


def _translated(sheet: Sheet, plain: Plain) -> Sheet:
    def lines(cell: Sequence[str]) -> tuple[str, ...]:
        return tuple(map(plain, cell))

    rows = tuple(tuple(map(lines, row)) for row in sheet.rows)
    return Sheet(tuple(map(lines, sheet.header)), rows, sheet.references)


def fit(sheet: Sheet, width: int) -> list[tuple[Sheet, int]]:
    """The sheet as one or more no wider than `width`, the names repeated in each, with the width of the names.

    Where there is room a cell's lines are joined into one and names stand unfolded; where there is not they stay
    stacked, and longer names are folded.
    """
    joined = _joined(sheet)
    names, *others = _widths(joined)
    for name in (names, min(names, NAME_WIDTH + SEPARATOR)):
        if name + sum(others) <= width:
            return [(joined, name - SEPARATOR)]
    sheet = _names_joined(sheet)
    names, *others = _widths(sheet)
    names = min(names, NAME_WIDTH + SEPARATOR)
    parts: list[list[int]] = [[]]
    taken = names
    for index, other in enumerate(others, start=1):
        if parts[-1] and taken + other > width:
            parts.append([])
            taken = names
        parts[-1].append(index)
        taken += other
    return [(_columns(sheet, (0, *part)), names - SEPARATOR) for part in parts]


def _joined(sheet: Sheet) -> Sheet:
    rows = tuple(tuple((" ".join(cell),) for cell in row) for row in sheet.rows)
    return Sheet(tuple((" ".join(cell),) for cell in sheet.header), rows, sheet.references)


def _names_joined(sheet: Sheet) -> Sheet:
    """The sheet with each row's name on one line where it is short enough."""

    def name(cell: tuple[str, ...]) -> tuple[str, ...]:
        joined = " ".join(cell)
        return (joined,) if len(joined) <= NAME_WIDTH else cell

    return Sheet(sheet.header, tuple((name(row[0]), *row[1:]) for row in sheet.rows), sheet.references)


def _columns(sheet: Sheet, indices: Sequence[int]) -> Sheet:
    def pick(row: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
        return tuple(row[index] for index in indices)

    return Sheet(pick(sheet.header), tuple(map(pick, sheet.rows)), sheet.references)


def _widths(sheet: Sheet) -> list[int]:
    """The width of every column with its separator."""
    columns = zip(sheet.header, *sheet.rows, strict=True)
    return [max(len(line) for cell in column for line in cell) + SEPARATOR for column in columns]


def _rich(sheet: Sheet, names: int, terminal: bool) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD if terminal else box.ASCII, show_edge=False, pad_edge=False)
    for index, heading in enumerate(sheet.header):
        text = Text("\n".join(heading))
        if index == 0:
            table.add_column(text, overflow="fold", max_width=names)
        else:
            table.add_column(text, justify="right", no_wrap=True)
    for number, row in enumerate(sheet.rows, start=1):
        style = "dim" if number <= sheet.references else ""
        cells = [Text("\n".join(cell), style=style) for cell in row]
        table.add_row(*cells, end_section=number == sheet.references)
    return table


def to_markdown(leaderboard: Leaderboard) -> str:
    """The leaderboard as Markdown: the tables and sentences of :func:`render`, every cell on one line."""
    return "\n".join(_markdown(leaderboard))


def _markdown(leaderboard: Leaderboard) -> Iterator[str]:
    for table in leaderboard.tables:
        yield from (escape(wording.title(table)), "")
        yield from (*markdown_table(wording.score_sheet(table)), "", escape(wording.reading(table)), "")
        if sheets.has_claims(table):
            yield from (*markdown_table(sheets.comparison_sheet(table)), "")
        yield from (*markdown_table(wording.cost_sheet(table)), "")
        yield from (f"- {escape(wording.data_line(column, table))}" for column in table.columns)
        yield from (f"- {escape(remark)}" for remark in wording.remarks(table))
        yield ""
    if note := wording.between(leaderboard.tables):
        yield from (note, "")
    if leaderboard.differences:
        yield from (*(f"- {escape(line)}" for line in wording.protocol_lines(leaderboard)), "")


def markdown_table(sheet: Sheet) -> Iterator[str]:
    """The lines of a Markdown table: names to the left, the rest to the right."""
    lines = [[escape(" ".join(cell)) for cell in row] for row in (sheet.header, *sheet.rows)]
    rule = ["---", *["---:"] * (len(sheet.header) - 1)]
    for line in (lines[0], rule, *lines[1:]):
        yield f"| {' | '.join(line)} |"


def escape(text: str) -> str:
    """`text` so that Markdown shows it as it is and in one line."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return " ".join(escaped.split())
