"""All statistics of one table: its cells, its rows, their verdicts and ranks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeAlias, TypeVar

from matekd_bench.results.stats import descriptive
from matekd_bench.results.stats.differences import Difference, RowScores, difference, row_difference
from matekd_bench.results.stats.intervals import Spread, spread
from matekd_bench.results.stats.multiple_testing import holm
from matekd_bench.results.stats.power import Power, power
from matekd_bench.results.stats.verdicts import MARGIN, RankInterval, Verdict, rank_intervals, verdict

Entries: TypeAlias = Mapping[str, Mapping[str, RowScores]]  # row -> task -> scores
CellKey: TypeAlias = tuple[str, str]  # row, task
Key = TypeVar("Key")


@dataclass(frozen=True)
class CellSummary:
    """The statistics of one row on one task.

    `difference` is that to the reference, None for the reference itself, without a common seed or on a task that
    comparisons do not use. `p_holm` and `verdict` are set only for rows of the tested family.
    """

    spread: Spread | None  # None: no score
    difference: Difference | None
    p_holm: float | None
    verdict: Verdict | None
    power: Power | None


@dataclass(frozen=True)
class RowSummary:
    """The statistics of one row over all tasks.

    `difference` is None unless every task has common seeds with the reference. `rank` is None if the row has, on some
    task, fewer than three seeds, missing predictions or a failed seed. The last four are defined in `descriptive`.
    """

    difference: Difference | None
    p_holm: float | None
    verdict: Verdict | None
    rank: RankInterval | None
    tasks_won: int | None
    prob_improve: float | None
    trimmed_mean: float | None
    seed_correlation: float | None


@dataclass(frozen=True)
class TableSummary:
    """The statistics of one table, by cell and by row."""

    cells: Mapping[CellKey, CellSummary]
    rows: Mapping[str, RowSummary]


def summarize(
    table: Entries,
    *,
    tasks: Sequence[str],
    reference: str | None,
    family: Sequence[str],
    ranked: Sequence[str] | None = None,
    margin: float = MARGIN,
) -> TableSummary:
    """Compute the statistics of `table`, row -> task -> scores.

    `tasks` are the tasks that comparisons use (the informative ones); cells of other tasks get only their spread.
    `family` are the rows whose difference to `reference` the study tests: its methods without the baselines. The
    family is a property of the study and does not depend on the rows that a view shows. `ranked` are the rows that
    get a rank interval (default: all). `margin` is the margin of equivalence, in fractions.
    """
    study = _TableScores(table, tasks, reference, [row for row in family if row != reference], margin)
    return TableSummary(study.cells(), study.rows(table if ranked is None else ranked))


@dataclass(frozen=True)
class _TableScores:
    """The scores of a table with the choices that its statistics depend on."""

    table: Entries
    tasks: Sequence[str]
    reference: str | None
    family: Sequence[str]  # the tested rows, without the reference
    margin: float

    def cells(self) -> dict[CellKey, CellSummary]:
        """Summarize every cell. Holm's correction is over methods x tasks."""
        differences = {
            (row, task): self._difference(row, task) for row in self.table for task in self.table[row]
        }
        tested = [(row, task) for row in self.family for task in self.tasks]
        adjusted = _adjusted_p({key: differences.get(key) for key in tested})
        return {key: self._cell(key, item, adjusted.get(key)) for key, item in differences.items()}

    def _difference(self, row: str, task: str) -> Difference | None:
        reference = self._reference(row)
        if task not in self.tasks or task not in reference:
            return None
        return difference(self.table[row][task], reference[task])

    def _reference(self, row: str) -> Mapping[str, RowScores]:
        """Return the scores that `row` is compared with, by task; none for the reference itself."""
        if self.reference is None or row == self.reference:
            return {}
        return self.table.get(self.reference, {})

    def _cell(self, key: CellKey, item: Difference | None, p: float | None) -> CellSummary:
        row, task = key
        scores = list(self.table[row][task].scores.values())
        return CellSummary(
            spread=spread(scores) if scores else None,
            difference=item,
            p_holm=p,
            verdict=verdict(item, p, self.margin) if row in self.family else None,
            power=power(item.noise, item.n) if item is not None and item.noise is not None else None,
        )

    def rows(self, ranked: Iterable[str]) -> dict[str, RowSummary]:
        """Summarize every row over tasks. Holm's correction is over the methods."""
        differences = {row: self._difference_over_tasks(row) for row in self.table}
        adjusted = _adjusted_p({row: differences.get(row) for row in self.family})
        ranks = self._rank_intervals(ranked)
        return {
            row: self._row(row, item, adjusted.get(row), ranks.get(row)) for row, item in differences.items()
        }

    def _difference_over_tasks(self, row: str) -> Difference | None:
        return row_difference(self.table[row], self._reference(row), self.tasks)

    def _row(
        self, row: str, item: Difference | None, p: float | None, rank: RankInterval | None
    ) -> RowSummary:
        own, reference = self.table[row], self._reference(row)
        pairs = [(own[task], reference[task]) for task in self.tasks if task in own and task in reference]
        return RowSummary(
            difference=item,
            p_holm=p,
            verdict=verdict(item, p, self.margin) if row in self.family else None,
            rank=rank,
            tasks_won=descriptive.tasks_won(pairs) if pairs else None,
            prob_improve=descriptive.probability_of_improvement(pairs),
            trimmed_mean=descriptive.trimmed_mean(pairs),
            seed_correlation=descriptive.seed_correlation(pairs),
        )

    def _rank_intervals(self, ranked: Iterable[str]) -> dict[str, RankInterval]:
        rows = [row for row in ranked if row in self.table and self.tasks and self._supports_claims(row)]
        scores = {
            row: fmean(fmean(self.table[row][task].scores.values()) for task in self.tasks) for row in rows
        }
        return rank_intervals(scores, lambda a, b: row_difference(self.table[a], self.table[b], self.tasks))

    def _supports_claims(self, row: str) -> bool:
        """Return True if the row has on every task what a verdict needs."""
        entries = [self.table[row].get(task) for task in self.tasks]
        return all(entry is not None and entry.supports_claims for entry in entries)


def _adjusted_p(family: Mapping[Key, Difference | None]) -> dict[Key, float | None]:
    """Compute Holm's adjusted p of each member of the family."""
    adjusted = holm([item.p if item is not None else None for item in family.values()])
    return dict(zip(family, adjusted, strict=True))
