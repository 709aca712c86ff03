"""Writes the caption of a LaTeX table, which has three lines at most."""

from __future__ import annotations

from collections.abc import Iterator

from matekd_bench.results.leaderboard.table import LeaderboardTable
from matekd_bench.results.report import sentences
from matekd_bench.results.report.latex.escaping import escape, text_width
from matekd_bench.results.report.latex.page_fit import Fit
from matekd_bench.results.report.result_sentence import in_words, recorded_share

LINES = 3
FILLED = 0.9  # share of a line that text fills, since it is broken between words
POINTS = 10  # font size, as in the ACL's style; `article` takes the table's, which is no larger
LABEL = "Table 10: "


def caption(
    table: LeaderboardTable, layout: Fit, *, cost: bool, further: bool = False
) -> tuple[str, list[str]]:
    """Return the caption in LaTeX, and the least important sentences, for which it has no room.

    With `cost` the table shows costs; with `further` it is that of further sets.
    """
    room = LINES * FILLED * layout.place.width
    wanted = [*_sentences(table, further), *[sentences.COUNTED_FLOPS] * cost]
    count = next(
        (n for n in range(len(wanted), 1, -1) if text_width(" ".join([LABEL, *wanted[:n]]), POINTS) <= room),
        1,
    )
    return escape(" ".join(wanted[:count])), wanted[count:]


def _sentences(table: LeaderboardTable, further: bool) -> Iterator[str]:
    """Yield the sentences of the caption, the most important first."""
    yield f"{'Synthetic mini-GLUE: ' * table.synthetic}{_scores(table, further)}{_differences(table, further)}."
    if table.planned is not None and table.planned.missing:
        yield f"{recorded_share(table.planned)}."
    if uninformative := [task.name for task in table.columns if task.uninformative]:
        yield f"Nothing can be concluded from {in_words(uninformative)}."
    if partial := [task.name for task in table.columns if task.partial]:
        yield f"Not all data were used for {in_words(partial)}."
    verdicts = sentences.verdicts_in(table)
    if verdicts:
        marks = sentences.verdict_marks(verdicts)
        yield f"{', '.join(marks)}, else inconclusive." if marks else "All differences are inconclusive."
    elif sentences.has_differences(table):
        yield "No difference is tested."
    if any(row.overall.rank and row.overall.rank.with_best for row in table.rows):
        yield sentences.BEST
    if verdicts:
        family = sentences.tested_sets(table) if further else sentences.tested_family(table)
        yield f"Tests: Holm over {family.replace(' x ', ' × ')}."
    if (metrics := max(len(task.metrics) for task in table.columns)) > 1:
        yield f"{'Two' if metrics == 2 else 'Several'} metrics: their mean."


def _scores(table: LeaderboardTable, further: bool) -> str:
    """Describe the numbers: "dev scores in points (mean, sd over 3 seeds)"."""
    splits = {task.eval_on for task in table.columns}
    of_tasks = f"{splits.pop()} scores" if len(splits) == 1 else "scores"
    where = "scores on further sets" if further else of_tasks
    runs = f"{'mean, sd over ' * (table.seeds > 1)}{sentences.seeds(table)}"
    text = f"{where} in points ({runs})"
    return text if table.synthetic else text[0].upper() + text[1:]


def _differences(table: LeaderboardTable, further: bool) -> str:
    """Describe the small lines below a score; those of further sets include the interval."""
    shown = f"; below, difference to {table.reference}{', 95 % interval' * further}"
    return shown if sentences.has_differences(table) else ""
