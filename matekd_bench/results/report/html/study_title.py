"""Names a study in one line: which methods are compared with which reference, and on which tasks."""

from __future__ import annotations

from collections.abc import Iterable

from matekd_bench.results.leaderboard.table import LeaderboardTables
from matekd_bench.results.report.result_sentence import in_words

MAX_NAMED = 4  # names of one kind in a title


def study_title(leaderboard: LeaderboardTables) -> str:
    """Name the methods, the reference and the tasks: "eda and matekd compared with kd on mrpc and rte"."""
    tables = leaderboard.tables
    if not tables:
        return "Leaderboard without runs"
    references = _distinct(table.reference for table in tables)
    methods = _distinct(row.label for table in tables for row in table.rows if row.label not in references)
    tasks = _distinct(column.name for table in tables for column in table.columns)
    compared = " compared with ".join(_counted(names, "methods") for names in (methods, references) if names)
    synthetic = " of synthetic mini-GLUE" if any(table.synthetic for table in tables) else ""
    return f"{compared} on {_counted(tasks, 'tasks')}{synthetic}"


def _distinct(names: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name is not None))


def _counted(names: list[str], kind: str) -> str:
    """List a few names; count many."""
    return in_words(names) if len(names) <= MAX_NAMED else f"{len(names)} {kind}"
