"""Draws the plots of a page, each as an SVG element with its title and caption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matekd_bench.files.hashing import short_digest
from matekd_bench.results.leaderboard.table import LeaderboardTable
from matekd_bench.results.report.plots import PLOTS, available, draw_inline

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True)
class Picture:
    """One plot: its name, the id of its caption on the page, title, caption and drawing."""

    plot: str
    name: str
    title: str
    caption: str
    svg: Markup


def pictures(table: LeaderboardTable) -> list[Picture] | None:
    """Draw the plots that are not empty; None if matplotlib (the extra `plots`) is not installed."""
    from markupsafe import Markup

    if not available():
        return None
    drawn = [(plot, draw_inline(plot, table)) for plot in PLOTS.values()]
    return [
        Picture(
            plot.name,
            f"says-{plot.name}-{short_digest(table.protocol_id, 8)}",
            plot.title,
            plot.caption,
            Markup(svg),
        )
        for plot, svg in drawn
        if svg is not None
    ]
