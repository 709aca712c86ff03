"""Bars that fit every width: labels shrink, bars and losses may disappear, counts and estimates always stay."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, Task
from rich.table import Table
from rich.text import Text

from matekd_bench.files.printable import printable
from matekd_bench.screen.wording import STOPPING

BAR_WIDTHS = (
    (140, 40),
    (100, 24),
    (72, 12),
)  # width of a screen, width of its bars; narrower screens have none
LOSS_FROM = 100  # narrower screens show no loss
SHORTEST_LABEL = 8


class Bars(Progress):
    """The live bars of a study; `stopping` adds the line that a signal asks for, from the thread that draws them.

    A task has the fields `extra`, a second count, `left`, the time left, and `loss`.
    """

    stopping = False

    def __init__(self, console: Console) -> None:
        self._screen = console  # the base class draws once before it has a console
        self._bar = BarColumn(bar_width=None)
        super().__init__(console=console, transient=True)

    def make_tasks_table(self, tasks: Iterable[Task]) -> Table:
        """Return the bars as a table that is no wider than the screen."""
        shown, width = list(tasks), self._screen.width
        bar = next((bar for least, bar in BAR_WIDTHS if width >= least), 0)
        cells = [_cells(task, with_loss=width >= LOSS_FROM) for task in shown]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        others = sum(size + 1 for size in (bar, *widths[1:]) if size)
        room = max(SHORTEST_LABEL, width - others)
        table = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
        for (label, *texts), task in zip(cells, shown, strict=True):
            row: list[RenderableType] = [Text(shortened(label, room))]
            row += [self._bar(task)] if bar else []
            row += [Text(text) for text, size in zip(texts, widths[1:], strict=True) if size]
            table.add_row(*row)
        for index, column in enumerate(table.columns):
            column.no_wrap = True
            if bar and index == 1:
                column.width = bar
            elif index == bool(bar) + 1:
                column.justify = "right"
        return table

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return the bars and, below them, the progress of a stop."""
        yield from super().get_renderables()
        if self.stopping:
            yield Text(STOPPING, style="bold")


def _cells(task: Task, *, with_loss: bool) -> tuple[str, ...]:
    """Return the texts of a task: label, counts, time left and loss."""
    count = "" if task.total is None else f"{task.completed:.0f}/{task.total:.0f}"
    counts = ", ".join(filter(None, [count, task.fields.get("extra", "")]))
    loss = task.fields.get("loss", "") if with_loss else ""
    return printable(task.description), counts, task.fields.get("left", ""), loss


def shortened(text: str, width: int) -> str:
    """Return the text, with dots in the middle if it is longer than `width`: both ends of a run's name identify it."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}\N{HORIZONTAL ELLIPSIS}{text[len(text) - tail :] if tail else ''}"
