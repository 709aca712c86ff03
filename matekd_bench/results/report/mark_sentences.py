"""Writes the notes that explain the marks of a table's cells, and name the seeds that were added late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from matekd_bench.results.leaderboard.cell_marks import MARGIN, STANDARD_ERRORS
from matekd_bench.results.leaderboard.table import LeaderboardTable
from matekd_bench.results.report.cells import NO_ADVERSARY
from matekd_bench.results.stats.descriptive import SAME_LOGITS

MAX_NAMED = 5  # rows that a sentence lists


def mark_notes(table: LeaderboardTable) -> Iterator[str]:
    """Yield a sentence for the seeds that were added late, and one for each kind of mark in the table."""
    yield from _added_seeds(table)
    yield from _same_answers(table)
    cells = [cell for row in table.rows for cell in table.shown_cells(row).values()]
    if any(cell.marks.no_adversary for cell in cells):
        yield (
            f"{NO_ADVERSARY}: the run's generator did not raise the divergence significantly above that of the frozen "
            f"generator ({MARGIN} is at most {STANDARD_ERRORS} standard errors; 'leaderboard --diagnostics' lists "
            "the runs)."
        )


def _added_seeds(table: LeaderboardTable) -> Iterator[str]:
    """Name the seeds that were added after the first results were seen, with tasks that share them in one sentence."""
    tasks: dict[tuple[tuple[int, ...], tuple[str, ...]], list[str]] = {}  # seeds, rows -> tasks
    for column in table.columns:
        rows: dict[tuple[int, ...], list[str]] = {}
        for row in table.rows:
            if column.name in row.cells and (seeds := row.cells[column.name].marks.added_seeds):
                rows.setdefault(seeds, []).append(row.label)
        for seeds, labels in rows.items():
            tasks.setdefault((seeds, tuple(labels)), []).append(column.name)
    for (seeds, shown), names in tasks.items():
        verb = "was" if len(seeds) == 1 else "were"
        yield (
            f"{', '.join(names)}: {list_seeds(seeds)} of {list_rows(shown, table)} {verb} added after the first "
            "results were seen; p values do not account for this."
        )


def _same_answers(table: LeaderboardTable) -> Iterator[str]:
    """Name the rows whose students are the reference's, with the tasks."""
    same: Mapping[str, list[str]] = {
        row.label: [name for name, cell in table.shown_cells(row).items() if cell.marks.same_as is not None]
        for row in table.rows
    }
    for label, tasks in same.items():
        if tasks:
            yield (
                f"{label}: students are the same as those of {table.reference} on {', '.join(tasks)} (at every common "
                f"seed, labels are equal and logits differ by at most {SAME_LOGITS:g}): the method had no effect."
            )


def list_seeds(seeds: Sequence[int]) -> str:
    """List seeds, many of them in a row as a range: "seeds 3 to 9"."""
    word = "seed" if len(seeds) == 1 else "seeds"
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"{word} {seeds[0]} to {seeds[-1]}"
    return f"{word} {', '.join(map(str, seeds))}"


def list_rows(labels: Sequence[str], table: LeaderboardTable) -> str:
    """List the labels of rows, a few of many."""
    if len(labels) == len(table.rows) > 1:
        return "all rows"
    more = len(labels) - MAX_NAMED
    return ", ".join(labels[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
