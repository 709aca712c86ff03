"""Renders the leaderboard as a document: Markdown, LaTeX, a web page or a plot, chosen by the file extension."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from matekd_bench.errors import UsageError
from matekd_bench.methods.method import Method
from matekd_bench.results.leaderboard.table import LeaderboardTables
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report import plots
from matekd_bench.results.report.markdown import to_markdown
from matekd_bench.results.report.sheets import Sheet, View
from matekd_bench.tasks.task import Suite, Task

PICTURES = tuple(f".{name}" for name in plots.FORMATS)
EXTENSIONS = (".md", ".tex", ".html", *PICTURES)
ONE_VIEW = (".tex", *PICTURES)  # these show the usual view alone
OPTIONS: Mapping[str, Sequence[str]] = {  # the files that each is for
    "columns": (".tex",),
    "cost": (".tex",),
    "width": PICTURES,
    "title": PICTURES,
    "texts": (".html",),
    "plot": PICTURES,
}
WIDTHS = (2.0, 20.0)  # inches


@dataclass(frozen=True)
class FileOptions:
    """Options that only some kinds of files have.

    A .tex file is for pages of 1 or 2 `columns`, with or without the `cost` of each method. A picture has a `width` in
    inches (default: the plot's own), with or without a `title` above it; `plot` is the name of the plot, by default the
    file's. A web page shows, with `texts`, the dev texts on which each method disagrees most with the reference.
    """

    columns: int = 2
    cost: bool = True
    width: float | None = None
    title: bool = True
    texts: bool = False
    plot: str | None = None

    def check(self, paths: Sequence[Path]) -> None:
        """Raise UsageError for a value out of range, and for one that none of the files can use."""
        if self.columns not in (1, 2):
            raise UsageError(f"columns: a page has 1 or 2 columns, not {self.columns}.")
        if self.width is not None and not WIDTHS[0] <= self.width <= WIDTHS[1]:
            raise UsageError(f"width: must be {WIDTHS[0]:g} to {WIDTHS[1]:g} inches, not {self.width:g}.")
        extensions = {path.suffix.lower() for path in paths}
        for option in fields(self):
            usable = OPTIONS[option.name]
            if getattr(self, option.name) != option.default and not extensions & set(usable):
                raise UsageError(f"{option.name}: only {', '.join(usable)} files have that option.")

    def used_by(self, path: Path) -> FileOptions:
        """Return the options that the file can use, the others at their defaults."""
        extension = path.suffix.lower()
        return FileOptions(
            **{name: getattr(self, name) for name, files in OPTIONS.items() if extension in files}
        )


USUAL = FileOptions()


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
    view: View = "overall",
    options: FileOptions = USUAL,
    tasks: Mapping[str, Task] | None = None,
    suites: Sequence[Suite] = (),
    texts: Mapping[str, Sequence[Sheet]] | None = None,
) -> dict[Path, bytes]:
    """Return the content of the file `path`, and of files beside it that it refers to.

    `records` are the records that `leaderboard` was built from; `methods`, `tasks` and `suites` are the installed ones.
    `view` says which tables Markdown and pages hold, `options` how a .tex file or a picture looks. `texts` are the
    tables of texts on which methods disagree, by protocol, for a page. Raises UsageError like `check_picture`, and if a
    picture would be empty.
    """
    match path.suffix.lower():
        case ".md":
            return {path: to_markdown(leaderboard, view).encode()}
        case ".tex":
            from matekd_bench.results.report.latex import to_latex

            return {path: to_latex(leaderboard, options.columns, cost=options.cost).encode()}
        case ".html":
            return _page_files(path, leaderboard, records, methods, view, tasks or {}, suites, texts or {})
        case picture:
            drawn = plots.draw(
                plots.choose_plot(path, options.plot), leaderboard, picture.removeprefix("."),
                width=options.width, title=options.title,
            )  # fmt: skip
            return {path: drawn}


def _page_files(
    path: Path,
    leaderboard: LeaderboardTables,
    records: Sequence[Record],
    methods: Mapping[str, Method],
    view: View,
    tasks: Mapping[str, Task],
    suites: Sequence[Suite],
    texts: Mapping[str, Sequence[Sheet]],
) -> dict[Path, bytes]:
    from matekd_bench.results.report.html import page_files
    from matekd_bench.results.report.html.downloads import Citations
    from matekd_bench.results.report.html.method_cards import cards

    citations = Citations(
        {name: method.citation for name, method in methods.items()},
        {name: task.citation for name, task in tasks.items()},
    )
    return page_files(path, leaderboard, records, cards(leaderboard, methods), view, suites, citations, texts)
