"""Everything that is said of one table: its cells, its rows, their verdicts and places."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeAlias, TypeVar

from matekd_bench.results.stats import descriptive
from matekd_bench.results.stats.differences import Difference, RowScores, difference, row_difference
from matekd_bench.results.stats.intervals import Spread, spread
from matekd_bench.results.stats.power import Power, power
from matekd_bench.results.stats.verdicts import MARGIN, RankInterval, Verdict, holm, places, verdict

Entries: TypeAlias = Mapping[str, Mapping[str, RowScores]]  # row -> task -> entry
CellKey: TypeAlias = tuple[str, str]  # row, task
Key = TypeVar("Key")


@dataclass(frozen=True)
class CellSummary:
    """One row on one task: its scores, and its difference to the reference (None: there is none to be had)."""

    spread: Spread | None  # None: no score
    difference: Difference | None
    p_holm: float | None
    verdict: Verdict | None
    power: Power | None


@dataclass(frozen=True)
class RowSummary:
    """One row over all tasks. `difference` is None unless every task has common seeds with the reference.

    `place` is None where a task lacks three seeds or their predictions, or one failed.
    """

    difference: Difference | None
    p_holm: float | None
    verdict: Verdict | None
    place: RankInterval | None
    tasks_won: int | None
    prob_improve: float | None
    trimmed_mean: float | None
    seed_correlation: float | None


@dataclass(frozen=True)
class TableSummary:
    """The statistics of one table."""

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
    """The statistics of `table`, row -> task -> entry.

    `tasks` are those that comparisons may use (the informative ones); cells of others get their spread alone.
    `family` are the rows whose difference to `control` the study tests: its methods without the baselines,
    whatever a view shows. `ranked` are the rows that get a place (default: all).
    """
    study = _TableScores(table, tasks, reference, [row for row in family if row != reference], margin)
    return TableSummary(study.cells(), study.rows(table if ranked is None else ranked))


@dataclass(frozen=True)
class _TableScores:
    table: Entries
    tasks: Sequence[str]
    reference: str | None
    family: Sequence[str]  # the rows that are tested, the reference not among them
    margin: float

    def cells(self) -> dict[CellKey, CellSummary]:
        found = {(row, task): self._difference(row, task) for row in self.table for task in self.table[row]}
        tested = [(row, task) for row in self.family for task in self.tasks]
        adjusted = _adjusted({key: found.get(key) for key in tested})
        return {key: self._cell(key, item, adjusted.get(key)) for key, item in found.items()}

    def _difference(self, row: str, task: str) -> Difference | None:
        reference = self._reference(row)
        if task not in self.tasks or task not in reference:
            return None
        return difference(self.table[row][task], reference[task])

    def _reference(self, row: str) -> Mapping[str, RowScores]:
        """What `row` is compared with: the reference's entries, none for the reference itself."""
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
        found = {row: self._overall(row) for row in self.table}
        adjusted = _adjusted({row: found.get(row) for row in self.family})
        placed = self._places(ranked)
        return {row: self._row(row, item, adjusted.get(row), placed.get(row)) for row, item in found.items()}

    def _overall(self, row: str) -> Difference | None:
        return row_difference(self.table[row], self._reference(row), self.tasks)

    def _row(
        self, row: str, item: Difference | None, p: float | None, place: RankInterval | None
    ) -> RowSummary:
        own, reference = self.table[row], self._reference(row)
        pairs = [(own[task], reference[task]) for task in self.tasks if task in own and task in reference]
        return RowSummary(
            difference=item,
            p_holm=p,
            verdict=verdict(item, p, self.margin) if row in self.family else None,
            place=place,
            tasks_won=descriptive.tasks_won(pairs) if pairs else None,
            prob_improve=descriptive.probability_of_improvement(pairs),
            trimmed_mean=descriptive.trimmed_mean(pairs),
            seed_correlation=descriptive.seed_correlation(pairs),
        )

    def _places(self, ranked: Iterable[str]) -> dict[str, RankInterval]:
        rows = [row for row in ranked if row in self.table and self.tasks and self._claims(row)]
        scores = {
            row: fmean(fmean(self.table[row][task].scores.values()) for task in self.tasks) for row in rows
        }
        return places(scores, lambda a, b: row_difference(self.table[a], self.table[b], self.tasks))

    def _claims(self, row: str) -> bool:
        """Whether a row has what a claim needs on every task."""
        entries = [self.table[row].get(task) for task in self.tasks]
        return all(entry is not None and entry.whole for entry in entries)


def _adjusted(family: Mapping[Key, Difference | None]) -> dict[Key, float | None]:
    """Holm's p of each member of the family."""
    adjusted = holm([item.p if item is not None else None for item in family.values()])
    return dict(zip(family, adjusted, strict=True))
