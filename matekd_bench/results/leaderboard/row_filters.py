"""What of a leaderboard is shown, and in which order: no number changes by looking at fewer rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from matekd_bench.errors import unknown
from matekd_bench.results.leaderboard.table import Column, Leaderboard, LeaderboardRow, LeaderboardTable
from matekd_bench.tasks.task import Suite

SORTS = ("delta", "score", "cost", "name")
Key = Callable[[LeaderboardRow], float | None]


def matching(leaderboard: Leaderboard, protocols: Sequence[str]) -> Leaderboard:
    """The tables whose protocol id starts with one of `protocols`; all where none is given."""
    ids = [table.protocol_id for table in leaderboard.tables]
    for wanted in protocols:
        if not any(known.startswith(wanted) for known in ids):
            raise unknown("protocol", wanted, ids)
    kept = [
        table
        for table in leaderboard.tables
        if not protocols or table.protocol_id.startswith(tuple(protocols))
    ]
    return replace(leaderboard, tables=tuple(kept)) if len(kept) == len(ids) else Leaderboard(tuple(kept))


def only(
    leaderboard: Leaderboard, methods: str | None, tasks: str | None, suites: Sequence[Suite]
) -> Leaderboard:
    """The rows and columns that are named, in the leaderboard's order; tables without any are left out.

    `methods` lists methods or variants (a method stands for all its variants), `tasks` tasks and suites.
    Differences, corrections, ranks and means over tasks stay those of the whole study. UsageError for a name
    that no table has.
    """
    rows = {row.label: row for table in leaderboard.tables for row in table.rows}
    columns = {column.name: column for table in leaderboard.tables for column in table.columns}
    kept_rows = None if methods is None else _rows_named(split(methods), list(rows.values()))
    kept_columns = None if tasks is None else _columns_named(split(tasks), list(columns.values()), suites)
    tables = [_part(table, kept_rows, kept_columns) for table in leaderboard.tables]
    return replace(leaderboard, tables=tuple(table for table in tables if table.rows and table.columns))


def split(text: str) -> list[str]:
    """The names in a list with commas; commas in brackets and quotes belong to a name."""
    parts, depth, quoted = [""], 0, False
    for sign in text:
        quoted ^= sign == '"'
        depth += 0 if quoted else (sign == "[") - (sign == "]")
        if sign == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts if part.strip()]


def _rows_named(names: Sequence[str], rows: Collection[LeaderboardRow]) -> set[str]:
    found: set[str] = set()
    for name in names:
        labels = {row.label for row in rows if name in (row.label, row.variant, row.method)}
        if not labels:
            raise unknown("method", name, {row.label for row in rows})
        found |= labels
    return found


def _columns_named(names: Sequence[str], columns: Collection[Column], suites: Sequence[Suite]) -> set[str]:
    of_suite = {suite.name: set(suite.tasks) for suite in suites}
    found: set[str] = set()
    for name in names:
        wanted = of_suite.get(name, {name})
        those = {column.name for column in columns if column.task in wanted or column.name == name}
        if not those:
            raise unknown("task", name, {column.name for column in columns})
        found |= those
    return found


def _part(table: LeaderboardTable, rows: set[str] | None, columns: set[str] | None) -> LeaderboardTable:
    """The table without what is not looked at, and a word on what the numbers still are of."""
    kept_rows = tuple(row for row in table.rows if rows is None or row.label in rows)
    kept = tuple(column for column in table.columns if columns is None or column.name in columns)
    if (len(kept_rows), len(kept)) == (len(table.rows), len(table.columns)):
        return table
    return replace(
        table,
        rows=kept_rows,
        columns=kept,
        power={column.name: table.power[column.name] for column in kept if column.name in table.power},
        view=(
            f"shown: {len(kept_rows)} of {len(table.rows)} methods, {len(kept)} of {len(table.columns)} tasks; "
            "means over tasks, ranks and corrections are those of all."
        ),
    )


def ordered(leaderboard: Leaderboard, sort: str | None) -> Leaderboard:
    """The rows of every table sorted, the highest (cost: the lowest) first and rows without a value last.

    `sort` is one of SORTS or a task, whose mean counts. By default the baselines come first and then the methods by
    their mean difference. Unranked rows are always last. UsageError for another word.
    """
    columns = {column.name for table in leaderboard.tables for column in table.columns}
    if sort is not None and sort not in SORTS and sort not in columns:
        raise unknown("order", sort, [*SORTS, *columns])
    value = _value(sort or "delta")

    def place(row: LeaderboardRow) -> tuple[bool, bool, bool, float, str]:
        found = value(row)
        first = sort is None and row.role != "method"
        return not row.ranked, not first, found is None, -(found or 0.0), row.label

    tables = (replace(table, rows=tuple(sorted(table.rows, key=place))) for table in leaderboard.tables)
    return replace(leaderboard, tables=tuple(tables))


def _value(sort: str) -> Key:
    """What rows are sorted by, the higher the earlier."""
    by_name: dict[str, Key] = {
        "delta": lambda row: row.delta,
        "score": lambda row: row.mean,
        "cost": lambda row: -row.cost.train_flops - row.cost.precompute_flops if row.cost else None,
        "name": lambda row: 0.0,
    }
    return by_name.get(sort, lambda row: row.cells[sort].mean if sort in row.cells else None)
