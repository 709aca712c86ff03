"""Makes the files that a page carries: the tables as CSV and LaTeX, and what to cite as BibTeX."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matekd_bench.files.csv_text import csv_text
from matekd_bench.results.leaderboard.table import LeaderboardTables
from matekd_bench.results.report.export_tables import rows_of_view
from matekd_bench.results.report.html.bibtex import to_bibtex
from matekd_bench.results.report.latex import to_latex
from matekd_bench.results.report.sheets import View
from matekd_bench.tasks.task import Suite


@dataclass(frozen=True)
class Citations:
    """The citations of installed methods and tasks, by name."""

    methods: Mapping[str, str]
    tasks: Mapping[str, str]


@dataclass(frozen=True)
class Download:
    """A file inside a page: what its button says, the file's name, and its content as an address."""

    label: str
    name: str
    address: str


def downloads(
    leaderboard: LeaderboardTables, suites: Sequence[Suite], view: View, citations: Citations
) -> list[Download]:
    """Make the files of a leaderboard that has runs."""
    table = rows_of_view(leaderboard, suites, view)
    return [
        _download("CSV", "leaderboard.csv", "text/csv", csv_text(table.columns, table.rows)),
        _download("LaTeX", "leaderboard.tex", "application/x-tex", to_latex(leaderboard)),
        _download(
            "BibTeX", "leaderboard.bib", "application/x-bibtex",
            to_bibtex(leaderboard, citations.methods, citations.tasks),
        ),
    ]  # fmt: skip


def _download(label: str, name: str, kind: str, content: str) -> Download:
    return Download(label, name, f"data:{kind};base64,{b64encode(content.encode()).decode()}")
