"""Writes the result sentence above a table: which methods are better on which tasks, and what remains open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTable, ScoreCell
from matekd_bench.results.report.cells import text
from matekd_bench.results.stats.intervals import MIN_SEEDS
from matekd_bench.results.stats.verdicts import Verdict
from matekd_bench.results.store.planned_runs import PlannedRuns

MAX_LISTED = 5  # rows that a sentence names
DECIDED: tuple[Verdict, ...] = ("better", "worse", "equivalent")


def result(table: LeaderboardTable) -> str:
    """State the verdicts of the shown rows and columns, also over all tasks, and what remains open."""
    return " ".join(_sentences(table))


def _sentences(table: LeaderboardTable) -> Iterator[str]:
    if table.planned is not None and table.planned.missing:
        yield f"{recorded_share(table.planned)}; missing: {_listed(_missing(table.planned))}."
    if reason := _why_nothing_is_tested(table):
        yield reason
    else:
        yield from _on_tasks(table)
        yield from _over_tasks(table)
        if tasks := _untested_tasks(table):
            nor = f", nor over {table.tasks_of_means}" * _none_over_tasks(table)
            yield f"No difference is tested on {in_words(tasks)}{nor}."
        if untested := [row.label for row in table.rows if _is_untested(row, table)]:
            yield f"Not tested: {_listed(untested)}."
    if uninformative := [column.name for column in table.columns if column.uninformative]:
        yield f"Nothing can be concluded from {in_words(uninformative)}."


def recorded_share(planned: PlannedRuns) -> str:
    """Return how many of the planned runs have a record: "21 of 64 planned runs are recorded"."""
    return f"{planned.recorded} of {planned.count} planned runs are recorded"


def _missing(planned: PlannedRuns) -> list[str]:
    return [f"{count} of {method}" for method, count in planned.missing.items()]


def _why_nothing_is_tested(table: LeaderboardTable) -> str | None:
    """Return a sentence if no difference is tested, None if one is."""
    if _verdicts(table):
        return None
    if table.reference is None:
        return "No row is the reference, so no difference is tested."
    if not any(map(_is_compared, table.rows)):
        return f"No other row is compared with {table.reference}."
    if 0 < table.seeds < MIN_SEEDS:
        seeds = f"{table.seeds} seed{'s' * (table.seeds > 1)}"
        return f"No difference to {table.reference} is tested: {seeds}, and a test needs {MIN_SEEDS}."
    return f"No difference to {table.reference} is tested."


def _verdicts(table: LeaderboardTable) -> set[Verdict]:
    """Return the verdicts of the shown cells and rows."""
    return {verdict for row in table.rows for verdict in _verdicts_of(row, table)}


def _verdicts_of(row: LeaderboardRow, table: LeaderboardTable) -> set[Verdict]:
    """Return the verdicts of a row over all tasks and on the shown ones."""
    of_cells = {cell.statistics.verdict for cell in table.shown_cells(row).values()}
    return {verdict for verdict in of_cells | {row.overall.verdict} if verdict is not None}


def _on_tasks(table: LeaderboardTable) -> Iterator[str]:
    """Name the rows with each verdict and their tasks; "Better than kd: matekd on mrpc and rte; eda on rte."."""
    tasks = [column.name for column in table.informative]
    if not tasks:
        return
    decided = False
    for verdict, words in _words(table).items():
        where = {
            row.label: [name for name in tasks if _verdict_on(row, name) == verdict] for row in table.rows
        }
        parts = [f"{label} on {in_words(names)}" for label, names in where.items() if names]
        if parts:
            decided = True
            yield f"{words}: {_listed(parts, separator='; ')}."
    inconclusive = [
        name for name in tasks if any(_verdict_on(row, name) == "inconclusive" for row in table.rows)
    ]
    if inconclusive:
        which = f"All {'other ' * decided}differences to {table.reference}"
        yield f"{which} on {in_words(inconclusive)} are inconclusive{_could_have_found(table, inconclusive)}."


def _words(table: LeaderboardTable) -> dict[Verdict, str]:
    """Return how a list of rows with each verdict begins; only the first names the reference."""
    return {
        "better": f"Better than {table.reference}",
        "worse": f"Worse than {table.reference}",
        "equivalent": f"Equivalent to {table.reference} within half a point",
    }


def _verdict_on(row: LeaderboardRow, task: str) -> Verdict | None:
    cell = row.cells.get(task)
    return cell.statistics.verdict if cell else None


def _could_have_found(table: LeaderboardTable, tasks: Sequence[str]) -> str:
    """Name the differences that an uncorrected test could have detected on `tasks`; empty if that is not known."""
    powers = [(name, table.power[name].detectable) for name in tasks if name in table.power]
    if not powers:
        return ""
    parts = [f"{text(points, 'fraction')} on {name}" for name, points in powers]
    parts[0] = parts[0].replace(" on", " points on", 1)
    return f"; a single test could have detected differences of {in_words(parts)}"


def _over_tasks(table: LeaderboardTable) -> Iterator[str]:
    """Name the rows with each verdict over all informative tasks of the study."""
    if table.compared < 2 or not any(row.overall.verdict for row in table.rows):
        return
    over = f"Over {table.tasks_of_means}"
    labels = {
        verdict: [row.label for row in table.rows if row.overall.verdict == verdict] for verdict in DECIDED
    }
    parts = [f"{verdict}: {_listed(names)}" for verdict, names in labels.items() if names]
    yield f"{over}, {'; '.join(parts)}." if parts else f"{over} no difference is significant."


def _is_compared(row: LeaderboardRow) -> bool:
    return row.identity.ranked and row.identity.role != "reference"


def _untested_tasks(table: LeaderboardTable) -> list[str]:
    """Return the informative tasks with differences none of which is tested, for example because runs collapsed."""

    def cells(task: str) -> list[ScoreCell]:
        return [row.cells[task] for row in table.rows if _is_compared(row) and task in row.cells]

    return [
        column.name
        for column in table.informative
        if any(cell.delta is not None for cell in cells(column.name))
        and not any(cell.statistics.verdict for cell in cells(column.name))
    ]


def _none_over_tasks(table: LeaderboardTable) -> bool:
    """Return True if the table compares over several tasks and no difference over them is tested."""
    return table.compared > 1 and not any(row.overall.verdict for row in table.rows)


def _is_untested(row: LeaderboardRow, table: LeaderboardTable) -> bool:
    """Return True if the row is compared and has no verdict over all tasks or on a shown one."""
    return _is_compared(row) and not _verdicts_of(row, table)


def _listed(names: Sequence[str], separator: str = ", ") -> str:
    """List the first of many names."""
    more = len(names) - MAX_LISTED
    return separator.join([*names[:MAX_LISTED], *([f"and {more} more"] if more > 0 else [])])


def in_words(names: Sequence[str]) -> str:
    """List names as in a sentence: "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
