"""The leaderboard for readers: Markdown, LaTeX, a web page or a picture, as the file's extension says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matekd_bench.methods.method import Method
from matekd_bench.results.leaderboard.table import Leaderboard
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report import plots
from matekd_bench.results.report.text import to_markdown

PICTURES = tuple(f".{name}" for name in plots.FORMATS)
EXTENSIONS = (".md", ".tex", ".html", *PICTURES)


def check(path: Path, plot: str | None) -> None:
    """Raises UsageError where `path` is to be a picture and cannot be one, or names no plot."""
    if path.suffix.lower() in PICTURES:
        plots.chosen(path, plot)


def document(
    path: Path,
    leaderboard: Leaderboard,
    records: Sequence[Record],
    methods: Mapping[str, Method],
    plot: str | None = None,
) -> bytes:
    """The content of the file: `records` are those that `leaderboard` was built from, `methods` the installed ones.

    `plot` names what pictures show; without it the file's name does. Raises UsageError as `check`, and where a
    picture would be empty.
    """
    match path.suffix.lower():
        case ".md":
            return to_markdown(leaderboard).encode()
        case ".tex":
            from matekd_bench.results.report.latex import to_latex

            return to_latex(leaderboard).encode()
        case ".html":
            from matekd_bench.results.report.html import to_html
            from matekd_bench.results.report.html.method_cards import cards

            return to_html(leaderboard, records, cards(leaderboard, methods)).encode()
        case picture:
            chosen = plots.chosen(path, plot)
            return plots.draw(chosen, leaderboard, records, picture.removeprefix("."))
