"""Selects and sorts the rows and columns to show; their numbers stay those of the whole study."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from matekd_bench.errors import unknown
from matekd_bench.results.leaderboard.table import (
    LeaderboardRow,
    LeaderboardTable,
    LeaderboardTables,
    ShownPart,
    TaskColumn,
)
from matekd_bench.tasks.task import Suite

FIRST_ROLES = {"reference": 0, "baseline": 1}  # these rows come first, in this order
SORTS = ("delta", "score", "cost", "name")
SortValue = Callable[[LeaderboardRow], float | None]


def select_protocols(leaderboard: LeaderboardTables, protocols: Sequence[str]) -> LeaderboardTables:
    """Keep the tables whose protocol id starts with one of `protocols`; an empty list keeps all.

    Raises UsageError if one of `protocols` matches no table.
    """
    ids = [table.protocol_id for table in leaderboard.tables]
    for prefix in protocols:
        if not any(protocol_id.startswith(prefix) for protocol_id in ids):
            raise unknown("protocol", prefix, ids)
    tables = [
        table
        for table in leaderboard.tables
        if not protocols or table.protocol_id.startswith(tuple(protocols))
    ]
    if len(tables) < len(ids):
        return LeaderboardTables(tuple(tables))  # without `differences`, which are those between all tables
    return replace(leaderboard, tables=tuple(tables))


def select_rows_and_columns(
    leaderboard: LeaderboardTables, methods: str | None, tasks: str | None, suites: Sequence[Suite]
) -> LeaderboardTables:
    """Keep the named rows and columns, in the leaderboard's order; tables that would be empty are left out.

    `methods` lists methods (all variants of each), or single variants, in full or as tables name them. `tasks` lists
    tasks and suites; None keeps all. A task that is not in the tables selects its synthetic stand-in. Differences,
    corrections, ranks and means over tasks stay those of the whole study. Raises UsageError for a name that is in no
    table.
    """
    methods_named = None if methods is None else _known_names(methods, leaderboard)
    columns = {column.name: column for table in leaderboard.tables for column in table.columns}
    names = None if tasks is None else _select_columns(split_names(tasks), list(columns.values()), suites)
    tables = [_select_from_table(table, methods_named, names) for table in leaderboard.tables]
    return replace(leaderboard, tables=tuple(table for table in tables if table.rows and table.columns))


def split_names(text: str) -> list[str]:
    """Split a list at its commas; commas in brackets and quotes belong to a name."""
    parts, depth, quoted = [""], 0, False
    for character in text:
        quoted ^= character == '"'
        depth += 0 if quoted else (character == "[") - (character == "]")
        if character == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _known_names(methods: str, leaderboard: LeaderboardTables) -> list[str]:
    """Return the names in a list of methods; UsageError for one that no row is called."""
    names, rows = split_names(methods), [row for table in leaderboard.tables for row in table.rows]
    for name in names:
        if not any(_is_called(row, name) for row in rows):
            raise unknown("method", name, {row.identity.variant for row in rows})
    return names


def _is_called(row: LeaderboardRow, name: str) -> bool:
    return name == row.label or row.identity.name.is_called(name)


def _select_columns(
    names: Sequence[str], columns: Collection[TaskColumn], suites: Sequence[Suite]
) -> set[str]:
    """Return the names of the columns that `names` select; UsageError for a name without a column."""
    suite_tasks = {suite.name: set(suite.tasks) for suite in suites}
    selected: set[str] = set()
    for name in names:
        matches = {column for task in suite_tasks.get(name, {name}) for column in _columns_of(task, columns)}
        if not matches:
            raise unknown("task", name, {column.name for column in columns})
        selected |= matches
    return selected


def _columns_of(task: str, columns: Collection[TaskColumn]) -> set[str]:
    """Return the names of a task's columns, or of those of its stand-in if the task itself has none."""
    own = {column.name for column in columns if task in (column.task, column.name)}
    return own or {column.name for column in columns if column.stands_for == task}


def _select_from_table(
    table: LeaderboardTable, methods: Sequence[str] | None, tasks: set[str] | None
) -> LeaderboardTable:
    """Return the table with the selected rows and columns (None: all), and the part of the study that they make up."""
    rows = tuple(
        row for row in table.rows if methods is None or any(_is_called(row, name) for name in methods)
    )
    columns = tuple(column for column in table.columns if tasks is None or column.name in tasks)
    if (len(rows), len(columns)) == (len(table.rows), len(table.columns)):
        return table
    return replace(
        table,
        rows=rows,
        columns=columns,
        also=_select_sets(table.also, {row.label for row in rows}, {column.task for column in columns}),
        power={column.name: table.power[column.name] for column in columns if column.name in table.power},
        part=ShownPart(len(rows), len(table.rows), len(columns), len(table.columns)),
    )


def _select_sets(
    table: LeaderboardTable | None, rows: Collection[str], tasks: Collection[str]
) -> LeaderboardTable | None:
    """Return the shown rows of a table of further sets, and the sets that students of the shown tasks answered."""
    if table is None:
        return None
    columns = tuple(column for column in table.columns if students_task(column) in tasks)
    shown = tuple(
        row for row in table.rows if row.label in rows and any(c.name in row.cells for c in columns)
    )
    return replace(table, rows=shown, columns=columns) if shown else None


def students_task(column: TaskColumn) -> str:
    """Return the task whose students answered a further set: "mnli" of "mnli/hans", "rte" of "rte@aeda"."""
    return re.split("[/@]", column.task, maxsplit=1)[0]


def sort_rows(leaderboard: LeaderboardTables, sort: str | None) -> LeaderboardTables:
    """Sort the rows of every table, highest value first (cost: lowest first), rows without a value last.

    `sort` is one of SORTS, or a task, which means its mean score or that of its stand-in. By default
    the reference comes first, then baselines, then all others by their mean difference. Unranked rows are always last.
    Raises UsageError for any other `sort`.
    """
    columns = {column.name: column for table in leaderboard.tables for column in table.columns}
    if sort is not None and sort not in SORTS:
        matches = _columns_of(sort, columns.values())
        if not matches:
            raise unknown("order", sort, [*SORTS, *columns])
        sort = sort if sort in matches else min(matches)
    value_of = _sort_value(sort or "delta")

    def sort_key(row: LeaderboardRow) -> tuple[bool, int, bool, float, str]:
        value = value_of(row)
        group = FIRST_ROLES.get(row.identity.role, len(FIRST_ROLES)) if sort is None else 0
        return not row.identity.ranked, group, value is None, -(value or 0.0), row.label

    tables = (_in_order(table, sorted(table.rows, key=sort_key)) for table in leaderboard.tables)
    return replace(leaderboard, tables=tuple(tables))


def _in_order(table: LeaderboardTable, rows: Sequence[LeaderboardRow]) -> LeaderboardTable:
    """Return the table with its rows in this order, those of its further sets too."""
    places = {row.label: place for place, row in enumerate(rows)}
    also = table.also and replace(
        table.also, rows=tuple(sorted(table.also.rows, key=lambda row: places[row.label]))
    )
    return replace(table, rows=tuple(rows), also=also)


def _sort_value(sort: str) -> SortValue:
    """Return the function whose value rows are sorted by, higher values first."""
    by_name: dict[str, SortValue] = {
        "delta": lambda row: row.delta,
        "score": lambda row: row.mean,
        "cost": lambda row: -row.cost.flops if row.cost else None,
        "name": lambda row: 0.0,
    }
    return by_name.get(sort, lambda row: row.cells[sort].mean if sort in row.cells else None)
