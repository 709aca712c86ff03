"""The paper that plots are drawn on: figures without global state, and files that are the same every time."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTable
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report import wording

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

INK: Final = "#1f2328"
FAINT: Final = "#8c959f"
# Okabe and Ito 2008: told apart with every common kind of color blindness. Black and yellow are left out, which
# one of the backgrounds, dark or light, would swallow.
COLORS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")  # seven and six: the first 42 rows differ in the pair
DPI: Final = 150
TITLE_HEIGHT: Final = 0.5  # inches

# No moment, no program version: the same picture is the same file.
METADATA: Final[Mapping[str, Mapping[str, None]]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
SETTINGS: Final[Mapping[str, Any]] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "font.size": 9,
    "pdf.fonttype": 42,  # fonts are embedded whole, as TrueType
    "svg.fonttype": "path",  # letters are outlines: no font is needed
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
    """A kind of picture of one table.

    `says` tells in a sentence what is seen. `absent(table, runs)` is the reason why there is nothing to see, else
    None; `size` is (width, height) in inches, `paint` draws onto a part of a figure.
    """

    name: str
    title: str
    says: str
    absent: Callable[[LeaderboardTable, Sequence[Record]], str | None]
    size: Callable[[LeaderboardTable, Sequence[Record]], tuple[float, float]]
    paint: Callable[[SubFigure, LeaderboardTable, Sequence[Record]], None]


@contextmanager
def _settings(for_page: bool) -> Iterator[None]:
    """matplotlib's defaults with ours on top, whatever the user's own settings are; they come back afterwards."""
    from matplotlib import style

    ours = {**SETTINGS, **(PAGE_SETTINGS if for_page else {})}
    with style.context(["default", ours]):
        yield


def picture(
    plot: Plot,
    tables: Sequence[LeaderboardTable],
    runs: Sequence[Record],
    file_format: str,
    *,
    for_page: bool = False,
) -> bytes:
    """The content of a picture file: `plot` of each table, one below the other."""
    from matplotlib.figure import Figure

    sizes = [plot.size(table, runs) for table in tables]
    heights = [height + TITLE_HEIGHT for _, height in sizes]
    with _settings(for_page):
        figure = Figure(figsize=(max(width for width, _ in sizes), sum(heights)), layout="constrained")
        parts = figure.subfigures(len(tables), 1, height_ratios=heights, squeeze=False)[:, 0]
        for part, table in zip(parts, tables, strict=True):
            part.set_facecolor("none")
            if not for_page:  # the page has a caption
                title = literal(f"{plot.title}\n{_held_fixed(table)}")
                part.suptitle(title, x=0.01, ha="left", fontsize=9)
            plot.paint(part, table, runs)
        file = io.BytesIO()
        figure.savefig(file, format=file_format, dpi=DPI, metadata=METADATA[file_format])
    return file.getvalue()


def _held_fixed(table: LeaderboardTable) -> str:
    synthetic = "synthetic mini-GLUE, not GLUE; " if table.synthetic else ""
    return f"{synthetic}preset {', '.join(table.presets)}; protocol {table.protocol_id}"


def literal(text: str) -> str:
    """`text` with dollar signs that matplotlib does not take for the start of a formula."""
    return text.replace("$", r"\$")


def name_of(row: LeaderboardRow) -> str:
    """A row's label for a picture, shortened in the middle where it would not fit."""
    label = row.label if len(row.label) <= 34 else f"{row.label[:20]}…{row.label[-13:]}"
    return literal(label)


def color(place: int) -> str:
    """The color of the row at this place of a table."""
    return COLORS[place % len(COLORS)]


def marker(place: int) -> str:
    """The sign of the row at this place of a table."""
    return MARKERS[place % len(MARKERS)]


def points(value: float) -> float:
    """A fraction in points."""
    return 100 * value


def heading(axes: Axes, text: str) -> None:
    """A title over one field of a plot."""
    axes.set_title(literal(text))


def seeds_note(table: LeaderboardTable) -> str:
    """Why a plot shows no intervals, "" where it may show some."""
    few = table.seeds < wording.SEEDS_FOR_A_VERDICT
    return f"fewer than {wording.SEEDS_FOR_A_VERDICT} seeds: no intervals" if few else ""


def line(place: int) -> str:
    """The kind of line of the row at this place of a table: another one once the colors begin again."""
    return ("-", "--", ":", "-.")[place // len(COLORS) % 4]


def shape(fields: int) -> tuple[int, int]:
    """Lines and fields a line for so many fields: two or three beside each other, four two by two."""
    across = fields if fields < 4 else 2 if fields == 4 else 3
    return ceil(fields / across), across
