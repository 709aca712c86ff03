"""Puts together what is known of each row of one table: its runs, its cells, its claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from matekd_bench.results.leaderboard import glue_score, tuned_rows
from matekd_bench.results.leaderboard.grouping import RecordGrid, RowKey, last_score
from matekd_bench.results.leaderboard.row_costs import row_cost
from matekd_bench.results.leaderboard.table import Column, LeaderboardRow, ScoreCell
from matekd_bench.results.leaderboard.table_statistics import Claims
from matekd_bench.results.leaderboard.task_columns import unique
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.stats.differences import Difference
from matekd_bench.results.stats.intervals import MIN_SEEDS, mean_interval


@dataclass(frozen=True)
class RowAssembler:
    """Makes the rows of one table; `reference` is the row that others are compared with."""

    grid: RecordGrid
    columns: Sequence[Column]
    labels: Mapping[RowKey, str]
    reference: RowKey | None
    claims: Claims

    def row(self, key: RowKey) -> LeaderboardRow:
        """The row of one method variant."""
        cells_of = {column.name: self.grid.cell(key, column.name) for column in self.columns}
        runs = [run for cell in cells_of.values() for run in cell.values()]
        identity = runs[0].identity
        compared = self.reference if identity.ranked and key != self.reference else None
        cells = {
            column.name: self._cell(key, column, compared) for column in self.columns if cells_of[column.name]
        }
        whole = len({column.task for column in self.columns}) == len(self.columns)
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
            delta=_over_tasks(self.columns, cells, "delta") if whole else None,
            scores=glue_score.scores(self.columns, cells),
            glue_tasks=sum(name in glue_score.GLUE8 for name in glue_score.complete(self.columns, cells)),
            devices=unique(run.compute.device for run in runs),
            students=unique(run.student.id for run in runs if run.student),
            bench_versions=unique(run.env["matekd_bench"] for run in runs if "matekd_bench" in run.env),
            runs=runs,
            resources=key[2],
            mean=_over_tasks(self.columns, cells, "mean") if whole else None,
            scores_ci=self._score_intervals(key, cells),
            diagnostics=_diagnostics(cells_of),
            budget={
                name: tuple(sorted({run.budget.limit for run in cell.values()}))
                for name, cell in cells_of.items()
                if cell
            },
            chosen={
                name: said
                for name, cell in cells_of.items()
                if cell and (said := tuned_rows.chosen(next(iter(cell.values()))))
            },
            tuning_flops=tuned_rows.tuning_flops(cells_of),
        )
        return self._with_claims(row, compared is not None)

    def _with_claims(self, row: LeaderboardRow, compared: bool) -> LeaderboardRow:
        """`row` with what the statistics say over tasks."""
        found = self.claims.summary.rows[row.label]
        if not self.claims.overall:
            return row
        if found.place is not None:
            place = found.place
            row = replace(row, rank_lo=place.low, rank_hi=place.high, with_best=place.with_best)
        if not compared or row.delta is None or found.difference is None:
            return row
        low, high = _interval(found.difference)
        if found.difference.n >= MIN_SEEDS:  # of a single seed each a probability would be 0 or 1
            row = replace(
                row,
                tasks_won=found.tasks_won,
                prob_improve=found.prob_improve,
                trimmed=found.trimmed_mean,
                seed_correlation=found.seed_correlation,
            )
        row = replace(
            row,
            delta_ci_lo=low,
            delta_ci_hi=high,
            p_holm=found.p_holm,
            verdict=found.verdict,
            missing=found.difference.missing,
        )
        if (matched := self.claims.matched.get(row.label)) is None:
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
        theirs = (
            self.grid.scored(reference, column.name) if reference and column.uninformative is None else {}
        )
        differences = [
            last_score(run) - last_score(theirs[seed]) for seed, run in scored.items() if seed in theirs
        ]
        parts = [run.task_score for run in scored.values() if run.task_score]
        xfits = [self.claims.xfit.get(run.run_id) for run in scored.values()]
        known = [xfit for xfit in xfits if xfit is not None]
        statuses = [run.status for run in runs.values()]
        cell = ScoreCell(
            n=len(scores),
            mean=fmean(scores) if scores else None,
            sd=None,
            delta=fmean(differences) if differences else None,
            delta_n=len(differences),
            optimism=fmean(part.optimism for part in parts) if parts else None,
            n_failed=statuses.count("failed"),
            n_collapsed=statuses.count("collapsed"),
            n_diverged=statuses.count("diverged"),
            best_dev=fmean(part.best_dev for part in parts) if parts else None,
            xfit=fmean(known) if known and len(known) == len(xfits) else None,
        )
        return self._claimed(cell, self.labels[key], column.name, compared=bool(differences))

    def _claimed(self, cell: ScoreCell, label: str, column: str, compared: bool) -> ScoreCell:
        """`cell` with what the statistics say of it."""
        found = self.claims.summary.cells[label, column]
        if found.spread is not None:
            cell = replace(cell, sd=found.spread.sd)
        if found.spread is not None and found.spread.interval is not None:
            cell = replace(cell, ci_lo=found.spread.interval.low, ci_hi=found.spread.interval.high)
        if not compared or found.difference is None:
            return cell
        low, high = _interval(found.difference)
        return replace(
            cell,
            delta_ci_lo=low,
            delta_ci_hi=high,
            p_holm=found.p_holm,
            verdict=found.verdict,
            missing=found.difference.missing,
        )

    def _score_intervals(self, key: RowKey, cells: Mapping[str, ScoreCell]) -> dict[str, tuple[float, float]]:
        """The interval of each GLUE score of the row; none where a task has fewer than three seeds."""
        intervals = {}
        for name in glue_score.scores(self.columns, cells):
            by_task = [self.grid.scored(key, task).values() for task in glue_score.DEFINITIONS[name]]
            if found := mean_interval([list(map(last_score, runs)) for runs in by_task]):
                intervals[name] = (found.low, found.high)
        return intervals


def _interval(difference: Difference) -> tuple[float | None, float | None]:
    found = difference.interval()
    return (found.low, found.high) if found is not None else (None, None)


def _over_tasks(columns: Sequence[Column], cells: Mapping[str, ScoreCell], field: str) -> float | None:
    """The mean of a cell's field over the informative tasks; None where one is missing or a seed of it failed."""
    names = [column.name for column in columns if column.uninformative is None]
    values = [
        getattr(cells[name], field) if name in cells and not cells[name].n_failed else None for name in names
    ]
    known = [value for value in values if value is not None]
    return fmean(known) if names and len(known) == len(names) else None


def _diagnostics(cells: Mapping[str, Mapping[int, Record]]) -> dict[str, float]:
    """Each diagnostic's mean over seeds, then over the tasks that have it."""
    by_name: dict[str, list[float]] = {}
    for runs in cells.values():
        names = sorted({name for run in runs.values() for name in run.diagnostics})
        for name in names:
            values = [run.diagnostics.get(name) for run in runs.values()]
            if known := [value for value in values if value is not None]:
                by_name.setdefault(name, []).append(fmean(known))
    return {name: fmean(values) for name, values in sorted(by_name.items())}
