"""Computes the statistics of one table from the scores and predictions of its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from matekd_bench.methods.typed_names import TypedName
from matekd_bench.results.leaderboard.grouping import RecordGrid, RowKey, last_score
from matekd_bench.results.leaderboard.row_costs import flops_over
from matekd_bench.results.leaderboard.table import Role, TaskColumn
from matekd_bench.results.leaderboard.task_columns import FACTOR
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.records.set_records import answers_name
from matekd_bench.results.stats.differences import RowScores
from matekd_bench.results.stats.example_scores import ExampleScores, example_scores
from matekd_bench.results.stats.intervals import MIN_SEEDS, SIGNED, UNIT, Interval
from matekd_bench.results.stats.power import Power
from matekd_bench.results.stats.summary import RowSummary, TableSummary, summarize
from matekd_bench.tasks.library_metric import library_metrics

if TYPE_CHECKING:
    from matekd_bench.results.leaderboard.evidence import Evidence

MAX_RANKED_ROWS = 60  # rank intervals compare every pair of rows on every task
SIGNED_METRICS = {"matthews", "pearson", "spearman"}
MAX_NAMED = 5  # runs without predictions that one note names
NO_INTERVAL = ("collapsed", "diverged")  # statuses of runs whose scores have two modes


def bounds_of(metrics: Sequence[str]) -> Interval:
    """Return the bounds of the mean of `metrics`; those of library metrics are unknown and taken as -1 and 1."""
    return SIGNED if library_metrics(metrics) or SIGNED_METRICS & set(metrics) else UNIT


@dataclass(frozen=True)
class TableStatistics:
    """The statistics of one table.

    `family` lists the labels of the tested methods, `tested_baselines` those of the baselines. `summary` is keyed by
    row label and column name. Its rows are empty if there are no values over tasks: no informative column, or two
    columns of one task. `power` maps a column name to its power.
    """

    family: tuple[str, ...]
    tested_baselines: tuple[str, ...]
    summary: TableSummary
    power: Mapping[str, Power]
    notes: tuple[str, ...]


@dataclass
class TableRuns:
    """The runs of one table, with the reference row and the source of predictions.

    `names` are those of the variants, `labels` those of the rows.
    """

    grid: RecordGrid
    names: Mapping[str, TypedName]
    labels: Mapping[RowKey, str]
    columns: Sequence[TaskColumn]
    reference: RowKey | None
    evidence: Evidence | None
    several_evaluations: ClassVar[bool] = True  # of each run, so that there is a best score

    def statistics(self) -> TableStatistics:
        """Compute the statistics; the tested family is all methods with three seeds, even if a view hides some."""
        any_run = {key: next(iter(runs.values())) for (key, _), runs in self.grid.cells.items()}
        ranked = [key for key in self.labels if any_run[key].identity.ranked]
        tasks = [column.name for column in self.columns if column.uninformative is None]
        families: dict[bool, list[str]] = {True: [], False: []}  # methods and baselines
        for key in ranked:
            role = self.role(key, any_run[key])
            most_seeds = max(
                (len(self.grid.cell(key, task)) for task in tasks), default=0
            )  # failed runs count
            if role != "reference" and most_seeds >= MIN_SEEDS:
                families[role != "baseline"].append(self.labels[key])
        methods, baselines = families[True], families[False]
        table = {
            self.labels[key]: {
                column.name: self._row_scores(key, column)
                for column in self.columns
                if self.grid.cell(key, column.name)
            }
            for key in self.labels
        }
        compared = [self.labels[key] for key in ranked]
        with_ranks = self.one_column_per_task and len(compared) <= MAX_RANKED_ROWS
        rivals = [key for key in self.labels if self._is_of_reference(key)]
        costs = {self.labels[key]: flops_over(key, self.grid, tasks) for key in self.labels}
        summary = summarize(
            table,
            tasks=tasks,
            reference=self.labels[self.reference] if self.reference else None,
            families=(methods, baselines),
            compared=compared,
            ranked=compared if with_ranks else [],
            costs={label: cost for label, cost in costs.items() if cost is not None},
            rivals=[self.labels[key] for key in rivals],
        )
        if not tasks or not self.one_column_per_task:
            summary = replace(summary, rows=dict.fromkeys(table, RowSummary()))
        return TableStatistics(
            family=tuple(methods),
            tested_baselines=tuple(baselines),
            summary=summary,
            power=_median_power(summary, tasks, methods or baselines),
            notes=(*self._notes_on_missing_answers(), *self._note_on_missing_ranks(len(ranked))),
        )

    @property
    def one_column_per_task(self) -> bool:
        """False if a task with several columns would count several times in a mean over tasks."""
        return len({column.task for column in self.columns}) == len(self.columns)

    def role(self, key: RowKey, run: Record) -> Role:
        """Return the role of a row.

        A row with another budget, such as `kd@2x`, is a baseline if its method is one or is the reference.
        """
        if key == self.reference:
            return "reference"
        method = FACTOR.sub("", key[0])
        if self._is_of_reference(key):
            return "baseline"
        if method != key[0] and self._is_baseline(method):  # records up to 0.2.0 say "method" of `kd@2x`
            return "baseline"
        return run.identity.role

    def _is_of_reference(self, key: RowKey) -> bool:
        """Return True if a row is the reference, with any budget: `kd` and `kd@4x` if the reference is `kd@2x`."""
        return self.reference is not None and FACTOR.sub("", key[0]) == FACTOR.sub("", self.reference[0])

    def _is_baseline(self, variant: str) -> bool:
        """Return True if records say so of a variant with the study's budget."""
        rows = (runs for (key, _), runs in self.grid.cells.items() if key[0] == variant)
        return any(run.identity.role == "baseline" for runs in rows for run in runs.values())

    def _row_scores(self, key: RowKey, column: TaskColumn) -> RowScores:
        scored = self.grid.scored(key, column.name)
        failed = any(run.status == "failed" for run in self.grid.cell(key, column.name).values())
        scores = {seed: last_score(run) for seed, run in scored.items()}
        foreign = library_metrics(column.metrics)  # without known bounds or contributions of examples
        reason = f"{foreign[0]} is not computed example by example" if foreign else RowScores.without_examples
        return RowScores(
            scores, self._example_scores(scored, column), complete=not failed,
            collapsed=frozenset(seed for seed, run in scored.items() if run.status in NO_INTERVAL),
            bounds=bounds_of(column.metrics),
            without_examples=reason,
        )  # fmt: skip

    def _example_scores(self, scored: Mapping[int, Record], column: TaskColumn) -> ExampleScores | None:
        """Compute how the choice of examples affects the scores of a cell.

        None if no test would use it: too few seeds with predictions, or an uninformative column.
        """
        if self.evidence is None:
            return None
        by_seed = {seed: self.evidence.answers(run, column.metrics) for seed, run in scored.items()}
        known = {seed: answers for seed, answers in by_seed.items() if answers is not None}
        golds = [answers.gold for answers in known.values()]
        if len(known) < MIN_SEEDS or column.uninformative is not None:
            return None
        return example_scores(golds[0], {seed: answers.last for seed, answers in known.items()})

    def _notes_on_missing_answers(self) -> list[str]:
        """List the runs without predictions, one note per reason."""
        if self.evidence is None:
            return []
        missing = {
            answers_name(run): self.evidence.why_missing(run, column.metrics)
            for key in self.labels
            for column in self.columns
            for run in self.grid.scored(key, column.name).values()
        }
        reasons: dict[str, list[str]] = {}
        for run_id, reason in sorted(missing.items()):
            if reason is not None:
                reasons.setdefault(reason, []).append(run_id)
        return [
            f"{_name_runs(run_ids)}: {reason.rstrip('.')}; no interval or test uses "
            f"{'it' if len(run_ids) == 1 else 'them'}."
            for reason, run_ids in reasons.items()
        ]

    def _note_on_missing_ranks(self, rows: int) -> list[str]:
        return [f"{rows} rows: no rank intervals are computed for more than {MAX_RANKED_ROWS}."] * (
            rows > MAX_RANKED_ROWS and self.one_column_per_task
        )


class SetTableRuns(TableRuns):
    """The runs of a table of further sets: each set is read by itself, so there is no value over several."""

    several_evaluations: ClassVar[bool] = False

    @property
    def one_column_per_task(self) -> bool:
        """False, so that no mean, rank or verdict is over columns."""
        return False


def _name_runs(run_ids: Sequence[str]) -> str:
    more = len(run_ids) - MAX_NAMED
    return ", ".join(run_ids[:MAX_NAMED]) + (f" and {more} more runs" if more > 0 else "")


def _median_power(summary: TableSummary, tasks: Sequence[str], family: Sequence[str]) -> dict[str, Power]:
    """Return for each task the power of the tested row with the median detectable difference."""
    powers: dict[str, Power] = {}
    for task in tasks:
        cells = [summary.cells[row, task].power for row in family if (row, task) in summary.cells]
        known = sorted((power for power in cells if power is not None), key=lambda power: power.detectable)
        if known:
            powers[task] = known[len(known) // 2]
    return powers
