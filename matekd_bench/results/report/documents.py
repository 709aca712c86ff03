"""Renders the leaderboard as a document: Markdown, LaTeX, a web page or a plot, chosen by the file extension."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matekd_bench.errors import UsageError
from matekd_bench.methods.method import Method
from matekd_bench.results.leaderboard.table import LeaderboardTables
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report import plots
from matekd_bench.results.report.markdown import to_markdown
from matekd_bench.results.report.sheets import View
from matekd_bench.tasks.task import Suite, Task

PICTURES = tuple(f".{name}" for name in plots.FORMATS)
EXTENSIONS = (".md", ".tex", ".html", *PICTURES)
ONE_VIEW = (".tex", *PICTURES)  # these show the usual view alone


def check_view(path: Path, view: View) -> None:
    """Raise UsageError if `path` is a file that cannot show the view."""
    extension = path.suffix.lower()
    if view != "overall" and extension in ONE_VIEW:
        raise UsageError(
            f"{path}: a {extension} file has no view '{view}':",
            hint="leave out the view, or write a .csv, .json, .md or .html file.",
        )


def check_picture(path: Path, plot: str | None) -> None:
    """Raise UsageError if `path` is a picture file and no plot can be drawn for it; see `plots.choose_plot`."""
    if path.suffix.lower() in PICTURES:
        plots.choose_plot(path, plot)


def render_document(
    path: Path,
    leaderboard: LeaderboardTables,
    records: Sequence[Record],
    methods: Mapping[str, Method],
    plot: str | None = None,
    view: View = "overall",
    tasks: Mapping[str, Task] | None = None,
    suites: Sequence[Suite] = (),
) -> dict[Path, bytes]:
    """Return the content of the file `path`, and of files beside it that it refers to.

    `records` are the records that `leaderboard` was built from; `methods`, `tasks` and `suites` are the installed ones.
    `plot` is the name of the plot for a picture file; without it, the file name is. `view` says which tables Markdown
    and pages hold. Raises UsageError like `check_picture`, and if a picture would be empty.
    """
    match path.suffix.lower():
        case ".md":
            return {path: to_markdown(leaderboard, view).encode()}
        case ".tex":
            from matekd_bench.results.report.latex import to_latex

            return {path: to_latex(leaderboard).encode()}
        case ".html":
            return _page_files(path, leaderboard, records, methods, view, tasks or {}, suites)
        case picture:
            chosen = plots.choose_plot(path, plot)
            return {path: plots.draw(chosen, leaderboard, records, picture.removeprefix("."))}


def _page_files(
    path: Path,
    leaderboard: LeaderboardTables,
    records: Sequence[Record],
    methods: Mapping[str, Method],
    view: View,
    tasks: Mapping[str, Task],
    suites: Sequence[Suite],
) -> dict[Path, bytes]:
    from matekd_bench.results.report.html import page_files
    from matekd_bench.results.report.html.downloads import Citations
    from matekd_bench.results.report.html.method_cards import cards

    citations = Citations(
        {name: method.citation for name, method in methods.items()},
        {name: task.citation for name, task in tasks.items()},
    )
    return page_files(path, leaderboard, records, cards(leaderboard, methods), view, suites, citations)
