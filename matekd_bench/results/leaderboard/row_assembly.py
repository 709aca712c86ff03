"""Assembles each row of one table from its runs, cells, costs and statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, TypeAlias

from matekd_bench.results.leaderboard import glue_score, tuned_rows
from matekd_bench.results.leaderboard.cell_marks import mark_cell
from matekd_bench.results.leaderboard.grouping import RowKey, last_score
from matekd_bench.results.leaderboard.row_costs import row_cost
from matekd_bench.results.leaderboard.table import LeaderboardRow, RowIdentity, ScoreCell, TaskColumn
from matekd_bench.results.leaderboard.table_statistics import (
    NO_INTERVAL,
    TableRuns,
    TableStatistics,
    bounds_of,
)
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.stats.intervals import Interval, interval_over_tasks

if TYPE_CHECKING:
    from matekd_bench.results.leaderboard.evidence import Evidence

CellRecords: TypeAlias = Mapping[str, Mapping[int, Record]]  # column name -> seed -> record


def assemble_row(key: RowKey, table: TableRuns, statistics: TableStatistics) -> LeaderboardRow:
    """Assemble the row of one method variant; `statistics` are those of the whole table."""
    records = {column.name: runs for column in table.columns if (runs := table.grid.cell(key, column.name))}
    cells = {
        column.name: _cell(key, column, table, statistics)
        for column in table.columns
        if column.name in records
    }
    informative = [cells.get(column.name) for column in table.columns if column.uninformative is None]
    overall = statistics.summary.rows[table.labels[key]]
    return LeaderboardRow(
        label=table.labels[key],
        identity=_identity(key, records, table),
        cells=cells,
        overall=overall,
        cost=row_cost(key, table.grid, table.reference),
        mean=_mean_of_complete(informative) if table.one_column_per_task else None,
        delta=_mean(cell.delta for cell in informative if cell) if overall.difference else None,
        scores=glue_score.scores(table.columns, cells),
        scores_ci=_score_intervals(key, cells, table),
        glue_tasks=sum(name in glue_score.GLUE8 for name in glue_score.complete_means(table.columns, cells)),
        diagnostics=_diagnostics(records),
        budget={
            name: tuple(sorted({run.budget.limit for run in runs.values()})) for name, runs in records.items()
        },
        chosen=tuned_rows.chosen_trials(records),
        tuning_flops=tuned_rows.tuning_flops(records),
        runs_by_column={name: [runs[seed] for seed in sorted(runs)] for name, runs in records.items()},
    )


def _identity(key: RowKey, records: CellRecords, table: TableRuns) -> RowIdentity:
    runs = [run for by_seed in records.values() for run in by_seed.values()]
    identity, (variant, version, resources, code) = runs[0].identity, key
    return RowIdentity(
        name=table.names[variant],
        version=version,
        params=tuned_rows.common_params(runs),
        role=table.role(key, runs[0]),
        ranked=identity.ranked,
        resources=resources,
        code=code,
    )


def _cell(key: RowKey, column: TaskColumn, table: TableRuns, statistics: TableStatistics) -> ScoreCell:
    scored = table.grid.scored(key, column.name)
    summary = statistics.summary.cells[table.labels[key], column.name]
    evaluated = list(scored.values()) if table.several_evaluations else []
    task_scores = [run.task_score for run in evaluated if run.task_score]
    reference = table.reference if summary.difference else None
    reference_runs = table.grid.scored(reference, column.name) if reference else {}
    return ScoreCell(
        n=len(scored),
        mean=summary.spread.mean if summary.spread else None,
        delta=_mean(
            last_score(run) - last_score(reference_runs[seed])
            for seed, run in scored.items()
            if seed in reference_runs
        ),
        statistics=summary,
        statuses=Counter(run.status for run in table.grid.cell(key, column.name).values()),
        optimism=_mean(score.optimism for score in task_scores),
        best_dev=_mean(score.best_dev for score in task_scores),
        score_xfit=partial(_mean_xfit, evaluated, column, table.evidence),
        marks=mark_cell(key, column, table),
    )


def _mean_xfit(runs: Sequence[Record], column: TaskColumn, evidence: Evidence | None) -> float | None:
    answers = [evidence.answers(run, column.metrics) if evidence else None for run in runs]
    xfits = [answer.xfit if answer else None for answer in answers]
    return _mean(xfits) if None not in xfits else None


def _mean(values: Iterable[float | None]) -> float | None:
    """Average the values that are not None; None if there are none."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _mean_of_complete(cells: Sequence[ScoreCell | None]) -> float | None:
    """Average the cells' means; None if a cell is absent, has no score or a failed seed, or if there are no cells."""
    means = [cell.mean if cell and not cell.statuses["failed"] else None for cell in cells]
    return _mean(means) if None not in means else None


def _score_intervals(key: RowKey, cells: Mapping[str, ScoreCell], table: TableRuns) -> dict[str, Interval]:
    """Return the interval of each GLUE score of the row, unless a task has few seeds, or runs of NO_INTERVAL."""
    intervals = {}
    metrics = {column.name: column.metrics for column in table.columns}
    for name in glue_score.scores(table.columns, cells):
        tasks = glue_score.DEFINITIONS[name]
        interval = interval_over_tasks(
            [list(map(last_score, table.grid.scored(key, task).values())) for task in tasks],
            [bounds_of(metrics[task]) for task in tasks],
            collapsed=any(cells[task].statuses[status] for task in tasks for status in NO_INTERVAL),
        )
        if interval is not None:
            intervals[name] = interval
    return intervals


def _diagnostics(records: CellRecords) -> dict[str, float]:
    """Average each diagnostic over seeds, then over the tasks that have it."""
    by_name: dict[str, list[float]] = {}
    for runs in records.values():
        names = sorted({name for run in runs.values() for name in run.diagnostics})
        for name in names:
            mean = _mean(run.diagnostics.get(name) for run in runs.values())
            by_name.setdefault(name, []).extend([] if mean is None else [mean])
    return {name: fmean(means) for name, means in sorted(by_name.items()) if means}
