"""Draws figures without global state into reproducible files, and holds the style that all plots share."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from textwrap import fill
from typing import TYPE_CHECKING, Any, Final

from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTable, TaskColumn
from matekd_bench.results.report import sentences
from matekd_bench.results.report.cells import bounds, interval, metric_heading, task_heading, text
from matekd_bench.results.report.result_sentence import recorded_share
from matekd_bench.results.stats.intervals import MIN_SEEDS
from matekd_bench.results.stats.summary import CellSummary, RowSummary

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

INK: Final = "#1f2328"
FAINT: Final = "#8c959f"
DPI: Final = 150
LINE_HEIGHT: Final = 1.4  # of text, relative to its size
LETTER_WIDTH: Final = 0.56  # of the font's letters on average, relative to its size
NARROW: Final = 5.0  # inches; narrower figures have smaller letters, and legends below the panels
FLOPS_UNITS: Final[Mapping[str, float]] = {"GFLOPs": 1e9, "TFLOPs": 1e12, "PFLOPs": 1e15, "EFLOPs": 1e18}
PANEL_WIDTH: Final = 2.6  # inches, the least width of a panel
NARROW_PANEL_WIDTH: Final = 1.5

# Without date and program version, the same picture gives the same file.
METADATA: Final[Mapping[str, Mapping[str, None]]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
SETTINGS: Final[Mapping[str, Any]] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so it is the same on every machine
    "font.size": 9,
    "pdf.fonttype": 42,  # fonts are embedded as TrueType
    "svg.fonttype": "path",  # letters are outlines, so no font is needed
    "svg.hashsalt": "matekd-bench",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.titlesize": "medium",
    "figure.labelsize": "medium",
    "figure.titlesize": "medium",
    "legend.fontsize": 8,
    "legend.title_fontsize": 8,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.alpha": 0.3,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}
NARROW_SETTINGS: Final[Mapping[str, Any]] = {
    "font.size": 7,
    "legend.fontsize": 6.5,
    "legend.title_fontsize": 6.5,
    "legend.columnspacing": 1,
    "lines.markersize": 4.5,
}
PAGE_SETTINGS: Final[Mapping[str, Any]] = {"svg.fonttype": "none", "savefig.transparent": True}


@dataclass(frozen=True)
class Plot:
    """A kind of plot of one table.

    `caption` explains it in a sentence or two. `why_empty(table)` returns the reason why there is nothing to draw, else
    None. `width(table)` is the usual width in inches, `height(table, width)` the height for a width. `paint` draws onto
    a part of a figure.
    """

    name: str
    title: str
    caption: str
    why_empty: Callable[[LeaderboardTable], str | None]
    width: Callable[[LeaderboardTable], float]
    height: Callable[[LeaderboardTable, float], float]
    paint: Callable[[SubFigure, LeaderboardTable], None]


@contextmanager
def settings(width: float, for_page: bool) -> Iterator[None]:
    """Use matplotlib's defaults with our settings on top, then restore the user's settings."""
    from matplotlib import style

    narrow = NARROW_SETTINGS if width < NARROW else {}
    ours = {**SETTINGS, **narrow, **(PAGE_SETTINGS if for_page else {})}
    with style.context(["default", ours]):
        yield


def draw_file(
    plot: Plot,
    tables: Sequence[LeaderboardTable],
    file_format: str,
    *,
    width: float | None = None,
    title: bool = True,
    for_page: bool = False,
) -> bytes:
    """Return the content of a picture file with `plot` of each table, one below the other.

    `width` is in inches. A page has a caption instead of a `title`.
    """
    width = max(map(plot.width, tables)) if width is None else width
    with settings(width, for_page):
        figure = figure_of(plot, tables, width, title=title and not for_page)
        if not for_page:
            for artist in figure.findobj():
                artist.set_gid(None)
        file = io.BytesIO()
        figure.savefig(file, format=file_format, dpi=DPI, metadata=METADATA[file_format])
    return file.getvalue()


def figure_of(plot: Plot, tables: Sequence[LeaderboardTable], width: float, *, title: bool) -> Figure:
    """Draw `plot` of each table, one below the other, in a figure of `width` inches."""
    from matplotlib.figure import Figure

    titles = [title_of(plot, table, width) if title else "" for table in tables]
    heights = [
        plot.height(table, width) + text_height(heading, width)
        for table, heading in zip(tables, titles, strict=True)
    ]
    figure = Figure(figsize=(width, sum(heights)), layout="constrained")
    parts = figure.subfigures(len(tables), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, table, heading in zip(parts, tables, titles, strict=True):
        part.set_facecolor("none")
        if heading:
            part.suptitle(escape_dollars(heading), x=0.01, ha="left")
        plot.paint(part, table)
    return figure


def title_of(plot: Plot, table: LeaderboardTable, width: float) -> str:
    """Return the title of a plot: what it shows, seeds and partial data, preset and protocol."""
    synthetic = ["synthetic mini-GLUE, not GLUE"] if table.synthetic else []
    partial = [column.name for column in table.columns if column.partial]
    parts = [
        *synthetic,
        sentences.seeds(table),
        *([f"partial data: {', '.join(partial)}"] if partial else []),
        *([recorded_share(table.planned)] if table.planned and table.planned.missing else []),
        f"preset {', '.join(table.presets)}",
        f"protocol {table.protocol_id}",
    ]
    return f"{plot.title}\n{wrapped('; '.join(parts), width)}"


def font_size(width: float) -> float:
    """Return the size of letters in points of a figure of `width` inches."""
    return float((NARROW_SETTINGS if width < NARROW else SETTINGS)["font.size"])


def wrapped(text: str, width: float) -> str:
    """Break a text into lines that fit into a figure of `width` inches."""
    return fill(text, int(0.97 * width * 72 / (LETTER_WIDTH * font_size(width))))


def text_height(text: str, width: float) -> float:
    """Return the height in inches of lines of text in a figure of `width` inches."""
    return len(text.splitlines()) * LINE_HEIGHT * font_size(width) / 72 + 0.1


def width_of(part: SubFigure) -> float:
    """Return the width of a part of a figure in inches."""
    return float(part.bbox.width / part.figure.dpi)


def add_legend(
    part: SubFigure, handles: Sequence[Artist], labels: Sequence[str], x_label: str = "", *, note: str = ""
) -> None:
    """Add a legend with a note above it, to the right of the panels, and the label of all their x axes below them.

    In a narrow figure the legend is below the panels, after the label.
    """
    label = escape_dollars(wrapped(x_label, width_of(part)))
    if width_of(part) < NARROW:
        title = "\n".join(filter(None, (label, note)))
        part.legend(handles, labels, loc="outside lower center", ncols=2, title=title or None)
        return
    if label:
        part.supxlabel(label)
    part.legend(handles, labels, loc="outside right upper", title=note or None)


def legend_heights(entries: int, width: float) -> tuple[float, float]:
    """Return the least height in inches of a legend with so many entries: beside the panels, and below them."""
    line = 1.75 * font_size(width) / 72
    return (0.0, line * (ceil(entries / 2) + 2)) if width < NARROW else (line * entries + 0.2, 0.0)


def page_mark(row: LeaderboardRow, *values: str) -> str:
    """Return the `gid` of what a plot draws of one row, from which the page makes switches and hover texts.

    `values` is a text for the whole drawing, or one for each of its markers.
    """
    return json.dumps({"row": row.label, "values": values})


def difference_words(row: LeaderboardRow, delta: float, statistics: CellSummary | RowSummary) -> str:
    """Say what one mark stands for: "eda: +0.4 [-0.1 to +0.9], inconclusive"."""
    low, high = bounds(statistics.difference)
    interval_text = "" if low is None else f" [{interval(low, high, 'difference')}]"
    verdict = f", {statistics.verdict}" if statistics.verdict else ""
    return f"{row.label}: {text(delta, 'difference')}{interval_text}{verdict}"


def escape_dollars(text: str) -> str:
    """Escape dollar signs, which matplotlib would read as the start of a formula."""
    return text.replace("$", r"\$")


def short_label(row: LeaderboardRow) -> str:
    """Return a row's label for a plot, shortened in the middle if it is too long."""
    label = row.label if len(row.label) <= 34 else f"{row.label[:20]}…{row.label[-13:]}"
    return escape_dollars(label)


def points(value: float) -> float:
    """Convert a fraction to points."""
    return 100 * value


def set_heading(axes: Axes, text: str) -> None:
    """Set the title of one panel of a plot."""
    axes.set_title(escape_dollars(text))


def seeds_note(table: LeaderboardTable) -> str:
    """Return the reason why a plot shows no intervals, "" if it may show some."""
    few_seeds = table.seeds < MIN_SEEDS
    return f"fewer than {MIN_SEEDS} seeds: no intervals" if few_seeds else ""


def panel_title(task: TaskColumn) -> str:
    """Return the title of the panel of one task: its name with its metric, and below it the marks of its data."""
    name, *marks = task_heading(task)
    metric = metric_heading(task)
    return "\n".join(filter(None, (f"{name} ({metric})" if metric else name, " ".join(marks))))


def flops_unit(largest: float) -> tuple[str, float]:
    """Return the unit for floating-point operations up to `largest`, and how many of them it is."""
    units = [(name, size) for name, size in FLOPS_UNITS.items() if largest >= size]
    return units[-1] if units else ("FLOPs", 1.0)


def grid_shape(panels: int, width: float) -> tuple[int, int]:
    """Return the rows and columns of a grid for `panels` panels: up to three side by side, four as two by two."""
    columns = panels if panels < 4 else 2 if panels == 4 else 3
    least = NARROW_PANEL_WIDTH if width < NARROW else PANEL_WIDTH
    columns = max(1, min(columns, int(width / least)))
    return ceil(panels / columns), columns
