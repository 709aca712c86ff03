"""Lists every column that a task has in files and in the table of one task, and makes the column of its scores."""

from __future__ import annotations

from typing import TypeAlias

from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTable, ScoreCell, TaskColumn
from matekd_bench.results.report.cells import (
    Column,
    TableCell,
    bounds,
    difference_cell,
    interval,
    interval_cell,
    marks,
    mean_and_spread,
    metric_heading,
    p_cell,
    problems,
    score_cell,
    task_heading,
    verdict_cell,
)
from matekd_bench.results.report.columns import RowColumn

ScoreColumn: TypeAlias = Column[[ScoreCell, TaskColumn]]


def _seeds_cell(cell: ScoreCell, task: TaskColumn) -> TableCell:
    counted = f" ({', '.join(problems(cell))})" if problems(cell) else ""
    return TableCell((f"{cell.n}{counted}",), cell.n)


def _mean_bounds(cell: ScoreCell) -> tuple[float | None, float | None]:
    """Return the ends of the 95 % interval of a cell's mean; None for both if it has none."""
    spread = cell.statistics.spread
    return (spread.interval.low, spread.interval.high) if spread and spread.interval else (None, None)


def _interval_cell(low: float | None, high: float | None) -> TableCell:
    return TableCell((interval(low, high),), "" if low is None else low)


# Files have these columns for each task, as TASK_KEY. The order is fixed: a new column for files comes last.
SCORE_COLUMNS: tuple[ScoreColumn, ...] = (
    Column(
        "mean",
        "Mean over seeds of the task's score at the last evaluation, collapsed and diverged runs included. The score "
        "is the mean of the task's metrics (`matekd-bench tasks show mrpc`: accuracy and F1).",
        lambda cell, task: cell.mean, ("mean ± sd",), "fraction",
        lambda cell, task: TableCell((mean_and_spread(cell),), "" if cell.mean is None else cell.mean),
    ),
    Column(
        "sd", "Standard deviation over seeds (ddof 1); empty for fewer than two seeds.",
        lambda cell, task: cell.statistics.spread.sd if cell.statistics.spread else None, unit="fraction",
    ),
    Column(
        "n", "Number of seeds with a score; tables also count the runs that failed, collapsed or diverged.",
        lambda cell, task: cell.n, ("n",), show=_seeds_cell,
    ),
    Column(
        "delta", "Mean difference to the reference on common seeds; tables mark its verdict.",
        lambda cell, task: cell.delta, ("diff.",), "difference",
        lambda cell, task: difference_cell(cell.delta, cell.statistics),
    ),
    Column(
        "verdict", "Verdict, with p corrected over methods x tasks; `uninformative` if nothing can be concluded from "
        "the task. Tables show why a verdict is missing.",
        lambda cell, task: "uninformative" if task.uninformative else cell.statistics.verdict, ("verdict",),
        show=lambda cell, task: verdict_cell(cell.statistics), over="study",
    ),
    Column(
        "data_state", "`official`, `official (by row counts)` if no digest is known, `mini`, `own` or `partial (...)`.",
        lambda cell, task: task.data_state,
    ),
    Column("n_failed", "Number of runs that failed.", lambda cell, task: cell.statuses["failed"]),
    Column("n_collapsed", "Number of runs that collapsed.", lambda cell, task: cell.statuses["collapsed"]),
    Column("n_diverged", "Number of runs that diverged.", lambda cell, task: cell.statuses["diverged"]),
    Column(
        "uninformative", "Why the task is uninformative; empty for an informative task.",
        lambda cell, task: task.uninformative,
    ),
    Column(
        "delta_halfwidth", "Half the width of the 95 % interval of `delta`; empty if nothing is claimed.",
        lambda cell, task: cell.statistics.difference.half_width if cell.statistics.difference else None,
        ("half-width",), "fraction",
    ),
    Column(
        "added_seeds",
        "Seeds that were added after the first results were seen, joined with `; `; p values do not account for them.",
        lambda cell, task: "; ".join(map(str, cell.marks.added_seeds)) or None,
    ),
    Column(
        "answers_changed",
        "Share of dev examples whose label differs from the reference's at the same seed, mean over common seeds. For "
        "a regression: mean absolute difference of the scores, in standard deviations of the gold scores.",
        lambda cell, task: cell.marks.answers_changed, ("answers", "changed"), "share",
    ),
    Column(
        "adversary_margin",
        "Mean over runs of `adversary_margin`: divergence on the adversary's text minus divergence on the frozen "
        "generator's text.",
        lambda cell, task: cell.marks.adversary_margin, unit="diagnostic",
    ),
    Column(
        "n_no_adversary",
        "Number of runs whose generator was no adversary: its margin is at most two standard errors. Empty if no "
        "margin was measured.",
        lambda cell, task: cell.marks.no_adversary if cell.marks.adversary_runs else None,
    ),
    Column(
        "ci_lo", "95 % interval of the mean over seeds on this dev set: lower end.",
        lambda cell, task: _mean_bounds(cell)[0], ("95% interval",), "fraction",
        lambda cell, task: _interval_cell(*_mean_bounds(cell)),
    ),
    Column(
        "ci_hi", "95 % interval of the mean: upper end.",
        lambda cell, task: _mean_bounds(cell)[1], unit="fraction",
    ),
    Column(
        "delta_ci_lo", "95 % interval of `delta`: lower end.",
        lambda cell, task: bounds(cell.statistics.difference)[0], ("95% interval",), "difference",
        lambda cell, task: interval_cell(cell.statistics.difference),
    ),
    Column(
        "delta_ci_hi", "95 % interval of `delta`: upper end.",
        lambda cell, task: bounds(cell.statistics.difference)[1], unit="difference",
    ),
    Column(
        "p_holm", "p of `delta`, corrected over methods (or baselines) x tasks.",
        lambda cell, task: cell.statistics.p_holm, ("p (Holm)",),
        show=lambda cell, task: p_cell(cell.statistics.p_holm), over="study",
    ),
    Column(
        "marks", "Marks in the table of scores: students identical to the reference's, runs without an adversary.",
        lambda cell, task: " ".join(marks(cell)) or None, ("marks",), in_files=False,
    ),
    Column(
        "best_dev", "Mean over seeds of the best score on dev; empty for a further set, which is scored once.",
        lambda cell, task: cell.best_dev, ("best dev",), "fraction", in_files=False,
    ),
    Column(
        "xfit", "Mean over seeds of the cross-fitted score; empty for a dev set of fewer than 200 examples.",
        lambda cell, task: cell.xfit, ("xfit",), "fraction", in_files=False,
    ),
)  # fmt: skip

# The table of one task, after the method's name.
TASK_SHEET = (
    *(
        "mean",
        "ci_lo",
        "best_dev",
        "xfit",
        "n",
        "delta",
        "delta_ci_lo",
        "delta_halfwidth",
        "p_holm",
        "verdict",
    ),
    *("answers_changed", "marks"),
)


def scores_of_task(task: TaskColumn, *, with_intervals: bool) -> RowColumn:
    """Make the column of one task in a table of scores; `with_intervals` adds the intervals of the differences."""

    def show(row: LeaderboardRow, table: LeaderboardTable) -> TableCell:
        return score_cell(row.cells.get(task.name), table, with_interval=with_intervals)

    def mean(row: LeaderboardRow, table: LeaderboardTable) -> float | None:
        cell = row.cells.get(task.name)
        return cell.mean if cell else None

    name, *marks = task_heading(task)
    heading = (name, *filter(None, [metric_heading(task)]), *marks)
    return Column(f"{task.name}_mean", _about_scores(task, with_intervals), mean, heading, show=show)


def _about_scores(task: TaskColumn, with_intervals: bool) -> str:
    """Explain the numbers in the column of one task."""
    metrics = " and ".join(task.metrics) or "score"
    rows = " + ".join(map(str, task.eval_rows.values()))
    intervals = "; in brackets: its 95 % interval" * with_intervals
    closed = f" Nothing can be concluded: {task.uninformative}." if task.uninformative else ""
    return (
        f"{task.title}: {metrics} on {rows} {task.eval_on} examples, in points, mean ± standard deviation over seeds. "
        f"In parentheses: difference to the reference{intervals}.{closed}"
    )


def details_of_task(task: TaskColumn) -> tuple[RowColumn, ...]:
    """Make the columns of the table of one task, for rows that have a cell there."""
    by_key = {column.key: column for column in SCORE_COLUMNS}
    return tuple(_of_row(by_key[key], task) for key in TASK_SHEET)


def _of_row(column: ScoreColumn, task: TaskColumn) -> RowColumn:
    return Column(
        column.key,
        column.doc,
        lambda row, table: column.value(row.cells[task.name], task),
        column.heading,
        show=lambda row, table: column.cell(row.cells[task.name], task),
        over=column.over,
    )
