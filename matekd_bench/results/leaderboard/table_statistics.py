"""What may be said of the rows of one table: its statistics, from the runs' scores and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from matekd_bench.results.leaderboard.grouping import RecordGrid, RowKey, last_score
from matekd_bench.results.leaderboard.row_costs import flops_over
from matekd_bench.results.leaderboard.table import Column
from matekd_bench.results.leaderboard.task_columns import FACTOR
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.stats.differences import RowScores
from matekd_bench.results.stats.example_effects import ExampleEffects, example_effects
from matekd_bench.results.stats.intervals import MIN_SEEDS
from matekd_bench.results.stats.matched_cost import MatchedCost, delta_matched
from matekd_bench.results.stats.power import Power
from matekd_bench.results.stats.summary import TableSummary, summarize

if TYPE_CHECKING:
    from matekd_bench.results.leaderboard.evidence import Evidence

MAX_PLACED = 60  # rows; rank intervals compare every pair of them on every task
MAX_NAMED = 5  # runs without answers that a note names


@dataclass(frozen=True)
class Claims:
    """The statistics of one table by label and column name; `xfit` is by run id.

    `overall` is False where the rows have no number over tasks: no informative column, or two of one task.
    """

    family: tuple[str, ...]
    summary: TableSummary
    matched: Mapping[str, MatchedCost]
    power: Mapping[str, Power]
    xfit: Mapping[str, float]
    overall: bool
    notes: tuple[str, ...]


@dataclass
class TableRuns:
    """One table's runs in place, with the row that others are compared with and where answers are found."""

    grid: RecordGrid
    labels: Mapping[RowKey, str]
    columns: Sequence[Column]
    reference: RowKey | None
    evidence: Evidence | None
    xfit: dict[str, float] = field(default_factory=dict)

    def claims(self) -> Claims:
        """Everything that may be said; the family is all methods that the table holds, whatever a view shows."""
        examples = {key: next(iter(runs.values())) for (key, _), runs in self.grid.cells.items()}
        ranked = [key for key in self.labels if examples[key].identity.ranked]
        family = [self.labels[key] for key in ranked if self._tested(key, examples[key])]
        tasks = [column.name for column in self.columns if column.uninformative is None]
        table = {
            self.labels[key]: {
                column.name: self._entry(key, column)
                for column in self.columns
                if self.grid.cell(key, column.name)
            }
            for key in self.labels
        }
        placed = [self.labels[key] for key in ranked] if len(ranked) <= MAX_PLACED else []
        reference = self.labels[self.reference] if self.reference else None
        summary = summarize(table, tasks=tasks, reference=reference, family=family, ranked=placed)
        overall = bool(tasks) and len({column.task for column in self.columns}) == len(self.columns)
        return Claims(
            family=tuple(family),
            summary=summary,
            matched=self._matched(table, tasks, family) if overall else {},
            power=_power(summary, tasks, family),
            xfit=self.xfit,
            overall=overall,
            notes=(*self._without_answers(), *self._unplaced(len(ranked))),
        )

    def _tested(self, key: RowKey, run: Record) -> bool:
        """Whether the study tests this row: it is no reference, and not the reference with a larger budget."""
        bare = FACTOR.sub("", key[0])
        multiple = self.reference is not None and bare != key[0] and bare == self.reference[0]
        return run.identity.role == "method" and not multiple and key != self.reference

    def _entry(self, key: RowKey, column: Column) -> RowScores:
        scored = self.grid.scored(key, column.name)
        failed = any(run.status == "failed" for run in self.grid.cell(key, column.name).values())
        scores = {seed: last_score(run) for seed, run in scored.items()}
        return RowScores(scores, self._effects(scored, column), complete=not failed)

    def _effects(self, scored: Mapping[int, Record], column: Column) -> ExampleEffects | None:
        """How the examples move the scores of a cell; None where nothing could be claimed with it."""
        if self.evidence is None:
            return None
        found = {seed: self.evidence.answers(run, column.metrics) for seed, run in scored.items()}
        known = {seed: answers for seed, answers in found.items() if answers is not None}
        for seed, answers in known.items():
            if answers.xfit is not None:
                self.xfit[scored[seed].run_id] = answers.xfit
        golds = [answers.gold for answers in known.values()]
        if len(known) < MIN_SEEDS or column.uninformative is not None:
            return None
        return example_effects(golds[0], {seed: answers.last for seed, answers in known.items()})

    def _matched(
        self, table: Mapping[str, Mapping[str, RowScores]], tasks: Sequence[str], family: Sequence[str]
    ) -> dict[str, MatchedCost]:
        """For each tested row its difference to the cheapest row of the control that cost as much."""
        if self.reference is None:
            return {}
        costs = {self.labels[key]: flops_over(key, self.grid, tasks) for key in self.labels}
        known = {label: cost for label, cost in costs.items() if cost is not None}
        reference = self.reference[0]
        rivals = [self.labels[key] for key in self.labels if FACTOR.sub("", key[0]) == reference]
        found = {label: delta_matched(label, table, tasks, known, rivals) for label in family}
        return {label: matched for label, matched in found.items() if matched is not None}

    def _without_answers(self) -> list[str]:
        """Which runs have no answers, and why; many with one reason are counted."""
        if self.evidence is None:
            return []
        runs = sorted(run.run_id for cell in self.grid.cells.values() for run in cell.values())
        reasons: dict[str, list[str]] = {}
        for run_id in runs:
            if (reason := self.evidence.missing.get(run_id)) is not None:
                reasons.setdefault(reason, []).append(run_id)
        return [
            f"{_named(run_ids)}: {reason.rstrip('.')}; no interval or test uses "
            f"{'it' if len(run_ids) == 1 else 'them'}."
            for reason, run_ids in reasons.items()
        ]

    def _unplaced(self, rows: int) -> list[str]:
        return [f"{rows} rows: no rank intervals are computed for more than {MAX_PLACED}."] * (
            rows > MAX_PLACED
        )


def _named(run_ids: Sequence[str]) -> str:
    more = len(run_ids) - MAX_NAMED
    return ", ".join(run_ids[:MAX_NAMED]) + (f" and {more} more runs" if more > 0 else "")


def _power(summary: TableSummary, tasks: Sequence[str], family: Sequence[str]) -> dict[str, Power]:
    """For each task the power of the tested row whose comparison is the median one."""
    found: dict[str, Power] = {}
    for task in tasks:
        cells = [summary.cells[row, task].power for row in family if (row, task) in summary.cells]
        known = sorted((power for power in cells if power is not None), key=lambda power: power.detectable)
        if known:
            found[task] = known[len(known) // 2]
    return found
