"""Marks what a reader must know about a cell's runs: seeds added late, the reference's answers, no adversary."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import NamedTuple

from matekd_bench.results.leaderboard.grouping import RowKey
from matekd_bench.results.leaderboard.table import CellMarks, TaskColumn
from matekd_bench.results.leaderboard.table_statistics import TableRuns
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.stats.descriptive import answers_changed, same_logits

MARGIN, MARGIN_SE = "adversary_margin", "adversary_margin_se"  # diagnostics of methods that train a generator
STANDARD_ERRORS = 2  # a margin of at most this many standard errors does not count


class AdversaryMargin(NamedTuple):
    """How much more a run's generator raises the divergence than the frozen generator, with its standard error."""

    margin: float
    se: float

    @property
    def is_adversary(self) -> bool:
        """False if the margin is at most two standard errors."""
        return self.margin > STANDARD_ERRORS * self.se


def adversary_margin(run: Record) -> AdversaryMargin | None:
    """Return the margin that a run recorded; None if its method measures none."""
    margin, se = run.diagnostics.get(MARGIN), run.diagnostics.get(MARGIN_SE)
    return None if margin is None or se is None else AdversaryMargin(margin, se)


def mark_cell(key: RowKey, column: TaskColumn, table: TableRuns) -> CellMarks:
    """Return the marks of a cell; marks of the answers need the predictions of its runs and of the reference's."""
    runs = table.grid.scored(key, column.name)
    margins = [margin for run in runs.values() if (margin := adversary_margin(run)) is not None]
    changed, same_as = _compare_answers(key, column, table)
    return CellMarks(
        added_seeds=added_seeds(runs),
        answers_changed=changed,
        same_as=same_as,
        adversary_margin=fmean(margin.margin for margin in margins) if margins else None,
        adversary_runs=len(margins),
        no_adversary=sum(not margin.is_adversary for margin in margins),
    )


def added_seeds(runs: Mapping[int, Record]) -> tuple[int, ...]:
    """Return the seeds of a cell's runs that the study of its first run did not plan.

    They were chosen after a result was known. Runs without a recorded plan are ignored.
    """
    plans = [(run.provenance.created, run.provenance.seed_plan) for run in runs.values()]
    known = [(created, plan) for created, plan in plans if plan is not None]
    if not known:
        return ()
    # of runs recorded in the same second, the one that planned more seeds
    _, first = min(known, key=lambda item: (item[0], -item[1].count, item[1].first))
    return tuple(
        sorted(seed for seed, run in runs.items() if run.provenance.seed_plan and seed not in first.seeds)
    )


def _compare_answers(key: RowKey, column: TaskColumn, table: TableRuns) -> tuple[float | None, str | None]:
    """Compare the answers of a cell with the reference's at each common seed.

    Returns how far they differ, as the mean over seeds with predictions (None without such seeds), and the reference's
    label if they are the same at every common seed.
    """
    if table.evidence is None or table.reference is None or key == table.reference:
        return None, None
    own, other = (table.grid.scored(row, column.name) for row in (key, table.reference))
    changed, same = [], []
    for seed in sorted(own.keys() & other.keys()):
        a, b = (table.evidence.answers(runs[seed], column.metrics) for runs in (own, other))
        if a is None or b is None or a.logits is None or b.logits is None:
            same.append(False)
            continue
        changed.append(answers_changed(a.last, b.last, a.gold))
        labels_equal = changed[-1] == 0 or not own[seed].data.labels
        same.append(labels_equal and same_logits(a.logits, b.logits))
    same_as = table.labels[table.reference] if same and all(same) else None
    return (fmean(changed) if changed else None), same_as
