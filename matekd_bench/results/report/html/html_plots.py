"""The plots of a page, each as an SVG element with the words that describe it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matekd_bench.files.hashing import short_digest
from matekd_bench.results.leaderboard.table import LeaderboardTable
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report.plots import PLOTS, available, inline

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True)
class Picture:
    """One plot: its id on the page, title, the sentence that says what is seen, and the drawing."""

    name: str
    title: str
    says: str
    svg: Markup


def pictures(table: LeaderboardTable, runs: Sequence[Record]) -> list[Picture] | None:
    """The plots that have something to show; None where matplotlib, the extra `plots`, is not installed."""
    from markupsafe import Markup

    if not available():
        return None
    drawn = [(plot, inline(plot, table, runs)) for plot in PLOTS.values()]
    return [
        Picture(f"says-{plot.name}-{short_digest(table.protocol_id, 8)}", plot.title, plot.says, Markup(svg))
        for plot, svg in drawn
        if svg is not None
    ]
