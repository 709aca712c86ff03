"""All statistics of one table: its cells, its rows, their verdicts and ranks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

from matekd_bench.results.stats import descriptive
from matekd_bench.results.stats.differences import Difference, RowScores, difference, row_difference
from matekd_bench.results.stats.intervals import MIN_SEEDS, Spread, spread
from matekd_bench.results.stats.matched_cost import MatchedCost, delta_matched, unmatched_cost
from matekd_bench.results.stats.multiple_testing import holm
from matekd_bench.results.stats.power import Power, power
from matekd_bench.results.stats.verdicts import RankInterval, Verdict, rank_intervals, verdict

Entries: TypeAlias = Mapping[str, Mapping[str, RowScores]]  # row -> task -> scores
CellKey: TypeAlias = tuple[str, str]  # row, task
Key = TypeVar("Key")


@dataclass(frozen=True)
class CellSummary:
    """The statistics of one row on one task.

    `difference` is that to the reference. It is None for the reference itself and for rows that are not compared,
    without a common seed, or on a task that comparisons do not use. `p_holm` (corrected over methods x tasks) and
    `verdict` are set only for rows of the tested family.
    """

    spread: Spread | None  # None: no score
    difference: Difference | None
    p_holm: float | None
    verdict: Verdict | None
    power: Power | None


@dataclass(frozen=True)
class RowSummary:
    """The statistics of one row over all tasks.

    `difference` is that to the reference, None unless every task has common seeds and no seed of the row failed.
    Without it, only `rank` may be set. `p_holm` (corrected over the methods) and `verdict` are set only
    for rows of the tested family. `rank` is None if the row has, on some task, fewer than three seeds, missing
    predictions or a failed seed. `matched` is the difference at equal cost; `unmatched` is the row's cost as a multiple
    of the reference's if no row of the reference cost as much. The last three are defined in `descriptive` and None
    below three common seeds.
    """

    difference: Difference | None = None
    p_holm: float | None = None
    verdict: Verdict | None = None
    rank: RankInterval | None = None
    matched: MatchedCost | None = None
    unmatched: float | None = None
    tasks_won: int | None = None
    prob_improve: float | None = None
    seed_correlation: float | None = None


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
    families: Sequence[Sequence[str]],
    compared: Sequence[str] | None = None,
    ranked: Sequence[str] | None = None,
    costs: Mapping[str, float] | None = None,
    rivals: Sequence[str] = (),
) -> TableSummary:
    """Compute the statistics of `table`, row -> task -> scores.

    `tasks` are the tasks that comparisons use (the informative ones); cells of other tasks get only their spread.
    `compared` are the rows that have a difference to `reference` (default: all). `families` are those whose difference
    is tested, such as the methods and the baselines of a study; p values are corrected within each. A family is a
    property of the study and does not depend on the rows that a view shows. `ranked` are the rows that get a rank
    interval (default: all). `costs` (row -> cost) and `rivals`, the rows of the reference, are those of
    `matched_cost.delta_matched`.
    """
    study = _TableScores(
        table,
        tasks,
        reference,
        set(table if compared is None else compared) - {reference},
        [[row for row in family if row != reference] for family in families],
        costs or {},
        rivals,
    )
    return TableSummary(study.cells(), study.rows(table if ranked is None else ranked))


@dataclass(frozen=True)
class _TableScores:
    """The scores of a table with the choices that its statistics depend on."""

    table: Entries
    tasks: Sequence[str]
    reference: str | None
    compared: Collection[str]  # without the reference
    families: Sequence[Sequence[str]]  # the tested rows, without the reference
    costs: Mapping[str, float]
    rivals: Sequence[str]

    def cells(self) -> dict[CellKey, CellSummary]:
        """Summarize every cell. Holm's correction is over methods x tasks."""
        differences = {
            (row, task): self._difference(row, task) for row in self.table for task in self.table[row]
        }
        adjusted: dict[CellKey, float | None] = {}
        for family in self.families:
            tested = [(row, task) for row in family for task in self.tasks]
            adjusted |= _adjusted_p({key: differences.get(key) for key in tested})
        return {key: self._cell(key, item, adjusted.get(key)) for key, item in differences.items()}

    @property
    def tested(self) -> set[str]:
        """The rows whose difference to the reference gets a verdict."""
        return {row for family in self.families for row in family}

    def _difference(self, row: str, task: str) -> Difference | None:
        reference = self._reference(row)
        if task not in self.tasks or task not in reference:
            return None
        return difference(self.table[row][task], reference[task])

    def _reference(self, row: str) -> Mapping[str, RowScores]:
        """Return the scores that `row` is compared with, by task; none for a row that is not compared."""
        return self.table.get(self.reference or "", {}) if row in self.compared else {}

    def _cell(self, key: CellKey, item: Difference | None, p: float | None) -> CellSummary:
        row, task = key
        entry = self.table[row][task]
        scores = list(entry.scores.values())
        return CellSummary(
            spread=spread(scores, entry.bounds, collapsed=bool(entry.collapsed)) if scores else None,
            difference=item,
            p_holm=p,
            verdict=verdict(item, p) if row in self.tested else None,
            power=power(item.noise, item.n) if item is not None and item.noise is not None else None,
        )

    def rows(self, ranked: Iterable[str]) -> dict[str, RowSummary]:
        """Summarize every row over tasks. Holm's correction is over the methods."""
        differences = {row: self._difference_over_tasks(row) for row in self.table}
        adjusted: dict[str, float | None] = {}
        for family in self.families:
            adjusted |= _adjusted_p({row: differences.get(row) for row in family})
        rows = {row: self._row(row, item, adjusted.get(row)) for row, item in differences.items()}
        ranks = self._rank_intervals(ranked, {row: summary.verdict for row, summary in rows.items()})
        return {row: replace(summary, rank=ranks.get(row)) for row, summary in rows.items()}

    def _difference_over_tasks(self, row: str) -> Difference | None:
        own = self.table[row]
        if any(not own[task].complete for task in self.tasks if task in own):
            return None
        return row_difference(own, self._reference(row), self.tasks)

    def _row(self, row: str, item: Difference | None, p: float | None) -> RowSummary:
        if item is None:
            return RowSummary()
        tested = row in self.tested
        summary = RowSummary(item, p, verdict(item, p) if tested else None)
        if tested and row not in self.rivals:
            summary = replace(
                summary,
                matched=delta_matched(row, self.table, self.tasks, self.costs, self.rivals),
                unmatched=unmatched_cost(row, self.costs, self.rivals, self.reference or ""),
            )
        if item.n < MIN_SEEDS:  # with one seed each, a probability would be 0 or 1
            return summary
        pairs = [(self.table[row][task], self._reference(row)[task]) for task in self.tasks]
        return replace(
            summary,
            tasks_won=descriptive.tasks_won(pairs),
            prob_improve=descriptive.probability_of_improvement(pairs),
            seed_correlation=descriptive.seed_correlation(pairs),
        )

    def _rank_intervals(
        self, ranked: Iterable[str], verdicts: Mapping[str, Verdict | None]
    ) -> dict[str, RankInterval]:
        rows = [row for row in ranked if row in self.table and self.tasks and self._supports_claims(row)]
        decided = [
            (row, self.reference) if found == "better" else (self.reference, row)
            for row, found in verdicts.items()
            if found in ("better", "worse") and self.reference is not None
        ]
        return rank_intervals(
            rows, lambda a, b: row_difference(self.table[a], self.table[b], self.tasks), decided
        )

    def _supports_claims(self, row: str) -> bool:
        """Return True if the row meets the requirements of a verdict on every task."""
        entries = [self.table[row].get(task) for task in self.tasks]
        return all(entry is not None and entry.supports_claims for entry in entries)


def _adjusted_p(family: Mapping[Key, Difference | None]) -> dict[Key, float | None]:
    """Compute Holm's adjusted p of each member of the family; comparisons of fewer than three seeds are no members."""
    members = {key: item for key, item in family.items() if item is None or item.n >= MIN_SEEDS}
    adjusted = holm([item.p if item is not None else None for item in members.values()])
    return dict.fromkeys(family) | dict(zip(members, adjusted, strict=True))
