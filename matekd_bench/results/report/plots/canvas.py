"""Draws figures without global state into reproducible files, and holds the style that all plots share."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTable
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.stats.intervals import MIN_SEEDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

INK: Final = "#1f2328"
FAINT: Final = "#8c959f"
# Okabe and Ito 2008: distinguishable with all common kinds of color blindness. Black and yellow are left out because
# one of them is invisible on a dark background, the other on a light one.
COLORS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS: Final = (
    "o",
    "s",
    "^",
    "D",
    "v",
    "P",
    "X",
)  # 7 markers, 6 colors: the first 42 rows differ
DPI: Final = 150
TITLE_HEIGHT: Final = 0.5  # inches

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
    "axes.titlesize": 9,
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
PAGE_SETTINGS: Final[Mapping[str, Any]] = {"svg.fonttype": "none", "savefig.transparent": True}


@dataclass(frozen=True)
class Plot:
    """A kind of plot of one table.

    `caption` explains it in a sentence or two. `why_empty(table, runs)` returns the reason why there is nothing to
    draw, else None. `size` returns (width, height) in inches. `paint` draws onto a part of a figure.
    """

    name: str
    title: str
    caption: str
    why_empty: Callable[[LeaderboardTable, Sequence[Record]], str | None]
    size: Callable[[LeaderboardTable, Sequence[Record]], tuple[float, float]]
    paint: Callable[[SubFigure, LeaderboardTable, Sequence[Record]], None]


@contextmanager
def _settings(for_page: bool) -> Iterator[None]:
    """Use matplotlib's defaults with our settings on top, then restore the user's settings."""
    from matplotlib import style

    ours = {**SETTINGS, **(PAGE_SETTINGS if for_page else {})}
    with style.context(["default", ours]):
        yield


def draw_file(
    plot: Plot,
    tables: Sequence[LeaderboardTable],
    runs: Sequence[Record],
    file_format: str,
    *,
    for_page: bool = False,
) -> bytes:
    """Return the content of a picture file with `plot` of each table, one below the other."""
    from matplotlib.figure import Figure

    sizes = [plot.size(table, runs) for table in tables]
    heights = [height + TITLE_HEIGHT for _, height in sizes]
    with _settings(for_page):
        figure = Figure(figsize=(max(width for width, _ in sizes), sum(heights)), layout="constrained")
        parts = figure.subfigures(len(tables), 1, height_ratios=heights, squeeze=False)[:, 0]
        for part, table in zip(parts, tables, strict=True):
            part.set_facecolor("none")
            if not for_page:  # the page has a caption
                title = escape_dollars(f"{plot.title}\n{_protocol_line(table)}")
                part.suptitle(title, x=0.01, ha="left", fontsize=9)
            plot.paint(part, table, runs)
        if not for_page:
            for artist in figure.findobj():
                artist.set_gid(None)
        file = io.BytesIO()
        figure.savefig(file, format=file_format, dpi=DPI, metadata=METADATA[file_format])
    return file.getvalue()


def page_mark(row: LeaderboardRow, *values: str) -> str:
    """Return the `gid` of what a plot draws of one row, from which the page makes switches and hover texts.

    `values` is a text for the whole drawing, or one for each of its markers.
    """
    return json.dumps({"row": row.label, "values": values})


def _protocol_line(table: LeaderboardTable) -> str:
    synthetic = "synthetic mini-GLUE, not GLUE; " if table.synthetic else ""
    return f"{synthetic}preset {', '.join(table.presets)}; protocol {table.protocol_id}"


def escape_dollars(text: str) -> str:
    """Escape dollar signs, which matplotlib would read as the start of a formula."""
    return text.replace("$", r"\$")


def short_label(row: LeaderboardRow) -> str:
    """Return a row's label for a plot, shortened in the middle if it is too long."""
    label = row.label if len(row.label) <= 34 else f"{row.label[:20]}…{row.label[-13:]}"
    return escape_dollars(label)


def row_color(index: int) -> str:
    """Return the color of the row at this index of a table."""
    return COLORS[index % len(COLORS)]


def row_marker(index: int) -> str:
    """Return the marker of the row at this index of a table."""
    return MARKERS[index % len(MARKERS)]


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


def row_line_style(index: int) -> str:
    """Return the line style of the row at this index of a table; it changes when the colors start over."""
    return ("-", "--", ":", "-.")[index // len(COLORS) % 4]


def grid_shape(panels: int) -> tuple[int, int]:
    """Return the rows and columns of a grid for `panels` panels: up to three side by side, four as two by two."""
    columns = panels if panels < 4 else 2 if panels == 4 else 3
    return ceil(panels / columns), columns
