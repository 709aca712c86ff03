"""The page of all columns: ``python -m matekd_bench.results.report.columns_page > docs/columns.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from matekd_bench.results.report.cells import Column, P, in_files
from matekd_bench.results.report.columns import LEADERBOARD_COLUMNS, SHEETS
from matekd_bench.results.report.run_columns import RUN_COLUMNS, RUN_SHEET
from matekd_bench.results.report.score_columns import SCORE_COLUMNS, TASK_SHEET

HEAD = """\
# Columns

Made from the program itself by `python -m matekd_bench.results.report.columns_page > docs/columns.md`. Each column has
one name (`key`) in CSV and JSON, and one heading in the tables on screen, in Markdown, LaTeX and on the web page.
Fractions are fractions in files and points in tables. An empty cell of a file means that there is nothing to say. A
table leaves out a column that has no value in any row. Text that a spreadsheet would take for a formula gets an
apostrophe in front. Intervals are at 95 %.

Rows have one order everywhere: the teacher, the majority class (tables only), the reference, baselines, all other
methods by `delta`, unranked methods. In a filtered view the headings of columns that are computed over more than it
shows say so, `(all tasks)` or `(whole study)`; files name the view in `view`. [results.md](results.md) explains
statuses and marks, [statistics.md](statistics.md) the numbers.
"""
OF_TASKS = (
    "Files have them after the others, in the suites' order, as `<task>_key`, e.g. `rte_mean`. If one protocol holds a "
    "task with several data sets or teachers, they are separate columns (`rte`, `rte#2`), which are not compared."
)
OF_RUNS = "A row per run, split, selection and metric; a failed run has one row without a value."
HEADER = ("key", "heading", "unit", "meaning")
Rows: TypeAlias = list[tuple[str, ...]]


def page() -> str:
    """Return the whole page: the columns of the leaderboard, of its tasks, of tables, and of the runs."""
    board, scores = LEADERBOARD_COLUMNS, SCORE_COLUMNS
    sheets: Rows = [(f"`{name}`", _named(keys)) for name, keys in SHEETS.items()]
    sheets += [
        ("`task`, for `--by task`", _named(TASK_SHEET)),
        ("`runs`, on the web page", _named(RUN_SHEET)),
    ]
    sections = (
        _section("Columns of leaderboard.csv", "A row per method and protocol.", _rows(in_files(board))),
        _section("Columns of each task", OF_TASKS, _rows(in_files(scores))),
        _section(
            "Columns of tables only",
            "Tables show these columns and those of files that have a heading.",
            _rows(column for column in board if not column.in_files),
        ),
        _section(
            "Columns of the table of a task only",
            "",
            _rows(column for column in scores if not column.in_files),
        ),
        _section("Columns of runs.csv", OF_RUNS, _rows(in_files(RUN_COLUMNS))),
        _section(
            "Tables",
            "Each table begins with `method`. A table of scores then has a column per task.",
            sheets,
            ("table", "keys"),
        ),
    )
    return "\n".join([HEAD, *sections])


def _named(keys: Iterable[str]) -> str:
    return ", ".join(f"`{key}`" for key in keys)


def _rows(columns: Iterable[Column[P]]) -> Rows:
    """Describe each column."""
    return [
        (
            f"`{column.key}`",
            " ".join(column.title("kd")),
            column.unit.replace("difference", "fraction"),
            column.doc,
        )
        for column in columns
    ]


def _section(title: str, text: str, rows: Rows, header: Sequence[str] = HEADER) -> str:
    """Return a section with a table."""
    lines = [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]
    return "\n".join([f"## {title}", "", *([text, ""] if text else []), *lines, ""])


if __name__ == "__main__":
    sys.stdout.write(page())
