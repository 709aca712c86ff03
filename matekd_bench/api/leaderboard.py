"""The public leaderboard: shown in a terminal or a notebook, as a data frame, a plot or a file."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from matekd_bench.api.frames import frame_of
from matekd_bench.errors import UsageError, unknown
from matekd_bench.plugins.record_types import ExportTable
from matekd_bench.screen.escaped_streams import terminal
from matekd_bench.screen.progress import in_notebook

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from matekd_bench.plugins.host import Host
    from matekd_bench.results.leaderboard.evidence import Evidence
    from matekd_bench.results.leaderboard.table import LeaderboardTable, LeaderboardTables
    from matekd_bench.results.records.run_record import Record
    from matekd_bench.results.report.sheets import Sheet, View
    from matekd_bench.tasks.task import Suite, Task


NO_WIDTH = 10_000  # columns, for output that does not go to a screen


@dataclass(frozen=True)
class Drawing:
    """A plot of a leaderboard, which a notebook shows. `svg` is the picture as text."""

    name: str
    svg: str = field(repr=False)

    def _repr_svg_(self) -> str:
        return self.svg


@dataclass(frozen=True, repr=False)
class Leaderboard:
    """The comparison of the methods: a table per protocol, made by `Results.leaderboard`.

    ``print(board)`` prints the same as ``matekd-bench leaderboard``, and a notebook shows the tables of the web page.
    `data` holds the tables with all statistics, `records` the runs from which they are computed, and `evidence` the
    predictions of these runs.
    """

    data: LeaderboardTables
    records: Sequence[Record]
    suites: Sequence[Suite]
    host: Host
    view: View = "overall"
    evidence: Evidence | None = None

    @cached_property
    def rows(self) -> ExportTable:
        """The rows and columns of ``leaderboard.csv``: a row per method and protocol, each protocol's teacher first.

        Other views have other rows and columns: by task, there is a row per method and task.
        """
        from matekd_bench.results.report.export_tables import rows_of_view

        return rows_of_view(self.data, self.suites, self.view)

    def to_frame(self) -> pd.DataFrame:
        """Return the rows and columns of ``leaderboard.csv`` with typed columns; scores are fractions.

        There is one row per method and protocol; the row called `teacher` is the teacher's. A leaderboard `by` task has
        one row per method and task. One `by` cost or diagnostics has the columns of that view.
        """
        return frame_of(self.rows)

    def verdicts(self) -> pd.DataFrame:
        """Return difference, 95 % interval, corrected p and verdict of each method, on each task and over all tasks.

        The column `task` is "all" for the mean over the informative tasks. `reason` says why a verdict is missing.
        """
        from matekd_bench.results.report.export_tables import verdict_rows

        return frame_of(verdict_rows(self.data))

    def plot(self, name: str = "forest") -> Drawing:
        """Draw the plot `cost`, `forest`, `heatmap` or `curves`; `export` writes it to a file.

        Raises UsageError for another name, without matplotlib, and if there is nothing to draw.
        """
        from matekd_bench.results.report import plots

        plot = plots.choose_plot(Path(name), name)
        return Drawing(plot.name, plots.draw(plot, self.data, file_format="svg").decode())

    def export(
        self,
        path: str | Path,
        *,
        plot: str | None = None,
        columns: int = 2,
        cost: bool = True,
        width: float | None = None,
        title: bool = True,
        texts: bool = False,
        glue_dir: str | Path | None = None,
    ) -> list[Path]:
        """Write the leaderboard to a file: .csv, .json, .md, .tex, .html, a picture, or a format of a plugin.

        `plot` chooses what a picture shows; by default the file's name does. The next options are for papers. For
        .tex, `columns` is the number of columns of the page (1 or 2), and `cost` shows the cost of each method. For
        pictures, `width` is in inches, and `title` draws a title. With `texts`, a page shows the texts on which each
        method disagrees most with the reference; GLUE's are read from `glue_dir` or the Hub. Returns the written files:
        a page of many runs has a CSV of them beside it. Raises UsageError for another extension, for an option that the
        file cannot use, and for a .tex file or a picture of another view than the usual one.
        """
        from matekd_bench.results.report.documents import FileOptions
        from matekd_bench.results.report.export import export

        options = FileOptions(columns, cost, width, title, texts, plot)
        file = Path(path).expanduser()
        options.check([file])
        if glue_dir is not None and not texts:
            raise UsageError("glue_dir: only a page with texts reads it:", hint="use texts=True.")
        return export(
            file, "leaderboard", self.records, tasks=self.tasks, suites=self.suites, leaderboard=self.data,
            methods={name: provided.record for name, provided in self.host.methods.items()},
            exporters=self.host.exporters, view=self.view, options=options,
            texts=self._disagreements_by_table(glue_dir) if texts else None,
        )  # fmt: skip

    @property
    def tasks(self) -> dict[str, Task]:
        """The installed tasks by name."""
        from matekd_bench.plugins.known_names import tasks_and_suites

        return tasks_and_suites(self.host)[0]

    def disagreements(
        self,
        method: str,
        task: str,
        *,
        most: int = 10,
        texts: bool = True,
        glue_dir: str | Path | None = None,
    ) -> pd.DataFrame:
        """Return the examples of a task on which a method disagrees most with the reference, largest first.

        The columns are `split`, `uid`, the task's text fields, `label`, `seeds` (those that both methods have) and the
        answers of both, counted over these seeds; in a regression their means. Examples are ordered by the share of
        seeds whose answers differ, then by the distance of the mean probabilities. Texts are read from the task's data
        again, for GLUE from `glue_dir` or the Hub; ``texts=False`` leaves them out. Raises UsageError, with the nearest
        match, for a method or task that is not in the table, and without a reference; DataError if the texts are not
        those that were scored.
        """
        from matekd_bench.api.disagreement_tables import disagreement_table, text_reader

        return frame_of(
            disagreement_table(
                self._table_with(method, task), method, task, self._known_evidence(), self.tasks, most,
                text_reader(self.tasks, glue_dir) if texts else None,
            )
        )  # fmt: skip

    def _table_with(self, method: str, task: str) -> LeaderboardTable:
        """Return the first table that has a row `method` and a column `task`."""
        tables = self.data.tables
        with_method = [table for table in tables if method in {row.label for row in table.rows}]
        if not with_method:
            raise unknown("method", method, [row.label for table in tables for row in table.rows])
        for table in with_method:
            if task in {column.name for column in table.columns}:
                return table
        raise unknown("task", task, [column.name for table in with_method for column in table.columns])

    def _disagreements_by_table(self, glue_dir: str | Path | None) -> dict[str, list[Sheet]]:
        from matekd_bench.api.disagreement_tables import disagreement_sheets, no_reference

        evidence, tables = self._known_evidence(), self.data.tables
        compared = [table for table in tables if table.reference is not None]
        if tables and not compared:
            raise no_reference()
        return {
            table.protocol_id: list(disagreement_sheets(table, evidence, self.tasks, glue_dir))
            for table in compared
        }

    def _known_evidence(self) -> Evidence:
        if self.evidence is None:
            raise UsageError("this leaderboard has no predictions: create it with Results.leaderboard().")
        return self.evidence

    def show(self, *, notes: bool = False) -> None:
        """Print the tables of the view, as ``print`` does; with `notes` print the notes instead of their number."""
        self._render(_screen(), notes)

    def __str__(self) -> str:
        from rich.console import Console

        screen, text = _screen(), io.StringIO()
        self._render(
            Console(
                file=text, width=screen.width, force_terminal=screen.is_terminal, no_color=screen.no_color,
                force_jupyter=False,
            )
        )  # fmt: skip
        return text.getvalue().rstrip("\n")

    def _render(self, console: Console, notes: bool = False) -> None:
        from matekd_bench.results.report.text import render

        render(self.data, console, self.view, with_notes=notes)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from matekd_bench.results.report.html import tables_html

        return tables_html(self.data, self.view)


def _screen() -> Console:
    """Return a console for standard output, which in a notebook also shows text.

    A pipe or a file has no width: each row is one line, unless COLUMNS sets a width.
    """
    from rich.console import Console

    console = Console(file=terminal(sys.stdout), force_jupyter=False)
    if not console.is_terminal and not in_notebook() and "COLUMNS" not in os.environ:
        console.width = NO_WIDTH
    return console
