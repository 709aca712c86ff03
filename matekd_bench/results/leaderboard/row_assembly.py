"""Assembles each row of one table from its runs, cells, costs and statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from matekd_bench.results.leaderboard import glue_score, tuned_rows
from matekd_bench.results.leaderboard.grouping import RecordGrid, RowKey, last_score
from matekd_bench.results.leaderboard.row_costs import row_cost
from matekd_bench.results.leaderboard.table import Column, LeaderboardRow, ScoreCell
from matekd_bench.results.leaderboard.table_statistics import TableStatistics
from matekd_bench.results.leaderboard.task_columns import unique
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.stats.differences import Difference
from matekd_bench.results.stats.intervals import MIN_SEEDS, interval_over_tasks


@dataclass(frozen=True)
class RowAssembler:
    """Assembler of the rows of one table; `reference` is the row that others are compared with."""

    grid: RecordGrid
    columns: Sequence[Column]
    labels: Mapping[RowKey, str]
    reference: RowKey | None
    statistics: TableStatistics

    def row(self, key: RowKey) -> LeaderboardRow:
        """Assemble the row of one method variant."""
        records = {column.name: self.grid.cell(key, column.name) for column in self.columns}
        runs = [run for by_seed in records.values() for run in by_seed.values()]
        identity = runs[0].identity
        reference = self.reference if identity.ranked and key != self.reference else None
        cells = {
            column.name: self._cell(key, column, reference) for column in self.columns if records[column.name]
        }
        # A task with several columns would count several times in a mean over tasks.
        one_column_per_task = len({column.task for column in self.columns}) == len(self.columns)
        row = LeaderboardRow(
            label=self.labels[key],
            method=identity.method,
            variant=identity.variant,
            method_version=identity.method_version,
            params=tuned_rows.common_params(runs),
            role="reference" if key == self.reference else identity.role,
            ranked=identity.ranked,
            cells=cells,
            cost=row_cost(key, self.grid, self.reference),
            delta=_mean_over_tasks(self.columns, cells, "delta") if one_column_per_task else None,
            scores=glue_score.scores(self.columns, cells),
            glue_tasks=sum(
                name in glue_score.GLUE8 for name in glue_score.complete_means(self.columns, cells)
            ),
            devices=unique(run.compute.device for run in runs),
            students=unique(run.student.id for run in runs if run.student),
            bench_versions=unique(run.env["matekd_bench"] for run in runs if "matekd_bench" in run.env),
            runs=runs,
            resources=key[2],
            mean=_mean_over_tasks(self.columns, cells, "mean") if one_column_per_task else None,
            scores_ci=self._score_intervals(key, cells),
            diagnostics=_diagnostics(records),
            budget={
                name: tuple(sorted({run.budget.limit for run in by_seed.values()}))
                for name, by_seed in records.items()
                if by_seed
            },
            chosen={
                name: trial
                for name, by_seed in records.items()
                if by_seed and (trial := tuned_rows.describe_chosen_trial(next(iter(by_seed.values()))))
            },
            tuning_flops=tuned_rows.tuning_flops(records),
        )
        return self._with_statistics(row, reference is not None)

    def _with_statistics(self, row: LeaderboardRow, compared: bool) -> LeaderboardRow:
        """Return `row` with its statistics over tasks; `compared`: the row is compared with the reference."""
        summary = self.statistics.summary.rows[row.label]
        if not self.statistics.overall:
            return row
        if summary.rank is not None:
            rank = summary.rank
            row = replace(row, rank_lo=rank.low, rank_hi=rank.high, with_best=rank.with_best)
        if not compared or row.delta is None or summary.difference is None:
            return row
        low, high = _interval(summary.difference)
        if summary.difference.n >= MIN_SEEDS:  # with one seed each, a probability would be 0 or 1
            row = replace(
                row,
                tasks_won=summary.tasks_won,
                prob_improve=summary.prob_improve,
                trimmed=summary.trimmed_mean,
                seed_correlation=summary.seed_correlation,
            )
        row = replace(
            row,
            delta_ci_lo=low,
            delta_ci_hi=high,
            p_holm=summary.p_holm,
            verdict=summary.verdict,
            missing=summary.difference.missing,
        )
        if (matched := self.statistics.matched.get(row.label)) is None:
            return row
        low, high = _interval(matched.difference)
        return replace(
            row,
            delta_matched=matched.difference.delta,
            delta_matched_ci_lo=low,
            delta_matched_ci_hi=high,
            matched_rival=matched.rival,
        )

    def _cell(self, key: RowKey, column: Column, reference: RowKey | None) -> ScoreCell:
        runs = self.grid.cell(key, column.name)
        scored = self.grid.scored(key, column.name)
        scores = [last_score(run) for run in scored.values()]
        reference_runs = (
            self.grid.scored(reference, column.name) if reference and column.uninformative is None else {}
        )
        differences = [
            last_score(run) - last_score(reference_runs[seed])
            for seed, run in scored.items()
            if seed in reference_runs
        ]
        task_scores = [run.task_score for run in scored.values() if run.task_score]
        xfits = [self.statistics.xfit.get(run.run_id) for run in scored.values()]
        known = [xfit for xfit in xfits if xfit is not None]
        statuses = [run.status for run in runs.values()]
        cell = ScoreCell(
            n=len(scores),
            mean=fmean(scores) if scores else None,
            sd=None,
            delta=fmean(differences) if differences else None,
            delta_n=len(differences),
            optimism=fmean(score.optimism for score in task_scores) if task_scores else None,
            n_failed=statuses.count("failed"),
            n_collapsed=statuses.count("collapsed"),
            n_diverged=statuses.count("diverged"),
            best_dev=fmean(score.best_dev for score in task_scores) if task_scores else None,
            xfit=fmean(known) if known and len(known) == len(xfits) else None,
        )
        return self._cell_with_statistics(cell, self.labels[key], column.name, compared=bool(differences))

    def _cell_with_statistics(self, cell: ScoreCell, label: str, column: str, compared: bool) -> ScoreCell:
        """Return `cell` with its spread, interval and, if `compared`, the test of its difference."""
        summary = self.statistics.summary.cells[label, column]
        if summary.spread is not None:
            cell = replace(cell, sd=summary.spread.sd)
        if summary.spread is not None and summary.spread.interval is not None:
            cell = replace(cell, ci_lo=summary.spread.interval.low, ci_hi=summary.spread.interval.high)
        if not compared or summary.difference is None:
            return cell
        low, high = _interval(summary.difference)
        return replace(
            cell,
            delta_ci_lo=low,
            delta_ci_hi=high,
            p_holm=summary.p_holm,
            verdict=summary.verdict,
            missing=summary.difference.missing,
        )

    def _score_intervals(self, key: RowKey, cells: Mapping[str, ScoreCell]) -> dict[str, tuple[float, float]]:
        """Return the interval of each GLUE score of the row, except if a task has fewer than three seeds."""
        intervals = {}
        for name in glue_score.scores(self.columns, cells):
            by_task = [self.grid.scored(key, task).values() for task in glue_score.DEFINITIONS[name]]
            if interval := interval_over_tasks([list(map(last_score, runs)) for runs in by_task]):
                intervals[name] = (interval.low, interval.high)
        return intervals


def _interval(difference: Difference) -> tuple[float | None, float | None]:
    interval = difference.interval()
    return (interval.low, interval.high) if interval is not None else (None, None)


def _mean_over_tasks(columns: Sequence[Column], cells: Mapping[str, ScoreCell], field: str) -> float | None:
    """Average a field of the cells over the informative tasks.

    None if a task has no value or a failed seed, or if no task is informative.
    """
    names = [column.name for column in columns if column.uninformative is None]
    values = [
        getattr(cells[name], field) if name in cells and not cells[name].n_failed else None for name in names
    ]
    known = [value for value in values if value is not None]
    return fmean(known) if names and len(known) == len(names) else None


def _diagnostics(cells: Mapping[str, Mapping[int, Record]]) -> dict[str, float]:
    """Average each diagnostic over seeds, then over the tasks that have it."""
    by_name: dict[str, list[float]] = {}
    for runs in cells.values():
        names = sorted({name for run in runs.values() for name in run.diagnostics})
        for name in names:
            values = [run.diagnostics.get(name) for run in runs.values()]
            if known := [value for value in values if value is not None]:
                by_name.setdefault(name, []).append(fmean(known))
    return {name: fmean(values) for name, values in sorted(by_name.items())}
