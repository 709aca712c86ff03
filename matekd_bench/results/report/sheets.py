"""Makes the tables of a leaderboard and of its runs from the columns, for the terminal and all documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from matekd_bench.plugins.record_types import ExportTable
from matekd_bench.results.leaderboard.cell_marks import adversary_margin
from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTable, TaskColumn
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report import sentences
from matekd_bench.results.report.cells import EMPTY, NO_VALUE, Column, TableCell, task_heading, text
from matekd_bench.results.report.columns import METHOD, RowColumn, columns_of
from matekd_bench.results.report.run_columns import MARGIN_SHEET, RUN_COLUMNS, RUN_SHEET, RunColumn
from matekd_bench.results.report.score_columns import details_of_task, scores_of_task
from matekd_bench.results.stats.differences import FEW_SEEDS

View: TypeAlias = Literal["overall", "task", "cost", "diagnostics"]
# "Too few seeds" counts as no value, because a sentence below the table says so.
WITHOUT_VALUE = ((NO_VALUE,), (f"none: {FEW_SEEDS}",))

ALSO_TITLE = "Further sets, scored at the end of training; not included in any mean over tasks"
MARGIN_TITLE = "Margin of the adversary over the frozen generator, by run"


@dataclass(frozen=True)
class Sheet:
    """A table to show.

    `keys` are the columns' keys, `header` the lines above each column, `rows` the cells. The first `references` rows
    are not students: teacher, majority class. The first `names` columns say what a row is. `title` is printed above
    the table, "" for none. `docs` explain the columns, each in a line, "" where the heading says it all.
    """

    keys: tuple[str, ...]
    header: tuple[tuple[str, ...], ...]
    rows: tuple[tuple[TableCell, ...], ...]
    title: str = ""
    references: int = 0
    names: int = 1
    docs: tuple[str, ...] = ()

    @property
    def numeric(self) -> tuple[bool, ...]:
        """For each column, True if it holds numbers."""
        students = self.rows[self.references :]
        return tuple(
            any(isinstance(row[index].sort, float | int) for row in students)
            for index in range(len(self.keys))
        )


def sheets_of_view(
    table: LeaderboardTable, view: View = "overall", *, with_intervals: bool = False
) -> Iterator[tuple[str, Sheet]]:
    """Yield the tables of a view by name; `with_intervals` adds those of the differences to the table of scores."""
    if view == "task":
        for of_tasks in table.with_also:
            yield from _sheets_by_task(of_tasks)
    elif view == "cost":
        yield "costs", _sheet(table, columns_of("costs in detail"))
    elif view == "diagnostics":
        yield "diagnostics", _diagnostics_sheet(table)
        if any(row.chosen for row in table.rows):
            yield "chosen", _chosen_sheet(table)
        if runs := _runs_with_margin(table):
            yield (
                "margins",
                _sheet_of_runs(runs, MARGIN_SHEET, names_in([table]), fixed=3, title=MARGIN_TITLE),
            )
    else:
        yield "scores", score_sheet(table, with_intervals=with_intervals)
        if table.also is not None:
            yield "also", also_sheet(table.also)
        comparison = _sheet(table, columns_of("comparison"))
        if len(comparison.keys) > 2:  # more than the mean differences, which the table of scores shows
            yield "comparison", comparison
        hidden = () if table.budgets_differ else ("budget",)
        yield "costs", _sheet(table, [column for column in columns_of("costs") if column.key not in hidden])


def _sheets_by_task(table: LeaderboardTable) -> Iterator[tuple[str, Sheet]]:
    for task in table.columns:
        name, *marks = task_heading(task)
        title = [f"{task.title} ({name})" if task.title != name else name, *marks]
        rows = [row for row in table.rows if name in row.cells]
        yield f"task-{name}", _sheet(table, details_of_task(task), rows, " ".join(title))


def also_sheet(also: LeaderboardTable) -> Sheet:
    """Show methods x further sets; the title says what is tested together."""
    family = sentences.tested_sets(also)
    tested = f"; in brackets the 95 % interval of the difference, verdicts after Holm over {family}"
    return replace(score_sheet(also, with_intervals=True), title=f"{ALSO_TITLE}{tested if family else ''}")


def score_sheet(table: LeaderboardTable, name: str = "scores", *, with_intervals: bool = False) -> Sheet:
    """Show methods x tasks, with teacher and majority class on top and means over tasks at the right.

    `name` is one of SHEETS. The mean difference is shown for several informative tasks.
    """
    others = [column for column in columns_of(name) if column.key != "delta" or table.compared > 1]
    tasks = [scores_of_task(task, with_intervals=with_intervals) for task in table.columns]
    sheet = _sheet(table, (*tasks, *others))
    references = (
        _reference_row("teacher", [task.teacher_score for task in table.columns], len(sheet.keys)),
        _reference_row("majority class", [task.majority_score for task in table.columns], len(sheet.keys)),
    )
    return replace(sheet, rows=(*references, *sheet.rows), references=len(references))


def run_sheet(runs: Sequence[Record], names: Mapping[str, str]) -> Sheet:
    """Show all runs, one row each; `names` maps variants to the names that rows have."""
    return _sheet_of_runs(runs, RUN_SHEET, names, fixed=4)


def names_in(tables: Iterable[LeaderboardTable]) -> dict[str, str]:
    """Return the name of each variant as its user typed it."""
    names = (row.identity.name for table in tables for row in table.rows)
    return {name.variant: name.typed for name in names}


def sheet_of_export(table: ExportTable, title: str) -> Sheet:
    """Show the rows and columns of a file."""
    rows = tuple(
        tuple(
            TableCell(
                (text(value, "diagnostic" if isinstance(value, float) else ""),),
                "" if value is None else value,
            )
            for value in map(row.__getitem__, table.columns)
        )
        for row in table.rows
    )
    return Sheet(tuple(table.columns), tuple((column,) for column in table.columns), rows, title)


def _sheet_of_runs(
    runs: Sequence[Record],
    keys: tuple[str, ...],
    names: Mapping[str, str],
    *,
    fixed: int,
    title: str = "",
) -> Sheet:
    """Show columns of runs; the first `fixed` say which run it is, its variant by the name in `names`."""
    by_key = {column.key: column for column in RUN_COLUMNS}
    columns = [by_key[key] for key in keys]
    rows = tuple(tuple(_run_cell(column, run, names) for column in columns) for run in runs)
    docs = tuple(column.doc for column in columns)
    return Sheet(keys, tuple(column.heading for column in columns), rows, title, names=fixed, docs=docs)


def _run_cell(column: RunColumn, run: Record, names: Mapping[str, str]) -> TableCell:
    cell = column.cell(run, {})
    return (
        replace(cell, lines=tuple(names.get(line, line) for line in cell.lines))
        if column.key == "variant"
        else cell
    )


def _sheet(
    table: LeaderboardTable,
    columns: Sequence[RowColumn],
    rows: Sequence[LeaderboardRow] | None = None,
    title: str = "",
) -> Sheet:
    """Show the rows of a table (default: all) by name, without the columns that have no value in any row."""
    shown = table.rows if rows is None else rows
    drawn = [(column, [column.cell(row, table) for row in shown]) for column in (METHOD, *columns)]
    drawn = [(column, cells) for column, cells in drawn if _has_value(cells)]
    return Sheet(
        keys=tuple(column.key for column, _ in drawn),
        header=tuple(column.title(table.reference, table.part) for column, _ in drawn),
        rows=tuple(zip(*(cells for _, cells in drawn), strict=True)),
        title=title,
        docs=tuple(column.doc for column, _ in drawn),
    )


def _has_value(cells: Sequence[TableCell]) -> bool:
    return not cells or any(cell.lines not in WITHOUT_VALUE for cell in cells)


def _reference_row(name: str, scores: Sequence[float | None], width: int) -> tuple[TableCell, ...]:
    cells = [EMPTY if score is None else TableCell((text(score, "fraction"),), score) for score in scores]
    return (TableCell((name,), name), *cells, *[EMPTY] * (width - 1 - len(cells)))


def _diagnostics_sheet(table: LeaderboardTable) -> Sheet:
    """Show the diagnostics that runs recorded, one column each."""
    title = "Diagnostics, means over seeds, then tasks"
    return _sheet(table, diagnostic_columns([table]), title=title)


def diagnostic_columns(tables: Sequence[LeaderboardTable]) -> list[RowColumn]:
    """Make a column for each diagnostic that the rows of some table have, by name."""
    names = {name for table in tables for row in table.rows for name in row.diagnostics}
    return [_diagnostic(name) for name in sorted(names)]


def _diagnostic(name: str) -> RowColumn:
    return Column(name, "", lambda row, table: row.diagnostics.get(name), (name,), "diagnostic", over="tasks")


def _runs_with_margin(table: LeaderboardTable) -> list[Record]:
    """Return the runs of the shown rows and tasks that measured the margin of their adversary, by task and seed."""
    tasks = list(dict.fromkeys(column.task for column in table.columns))
    return [
        run
        for row in table.rows
        for task in tasks
        for run in sorted(row.runs, key=lambda run: run.identity.seed)
        if run.identity.task == task and adversary_margin(run) is not None
    ]


def _chosen_sheet(table: LeaderboardTable) -> Sheet:
    """Show the trial that tuning chose for each row and task."""
    columns = [_chosen(task) for task in table.columns]
    title = f"Settings chosen on a holdout of train ({table.tuning}), as trial: changed settings"
    return _sheet(table, columns, title=title)


def _chosen(task: TaskColumn) -> RowColumn:
    return Column(
        task.name,
        "",
        lambda row, table: row.chosen.get(task.name),
        task_heading(task),
        show=lambda row, table: TableCell(tuple(row.chosen.get(task.name, NO_VALUE).split(", "))),
    )
