"""Writes what a paper has to cite as BibTeX: the suite, the methods and the tasks of a leaderboard."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTables
from matekd_bench.results.report.latex.escaping import escape

ARXIV = re.compile(r"arXiv:? ?(\d{4}\.\d{4,5})")
LINK = re.compile(r"https?://[^\s)>\"']*[^\s)>\"'.,;]")
NOT_IN_KEY = re.compile(r"[^a-z0-9-]+")
SUITE = {"author": "{The matekd-bench developers}", "title": "{matekd-bench}"}


def to_bibtex(leaderboard: LeaderboardTables, methods: Mapping[str, str], tasks: Mapping[str, str]) -> str:
    """Write an entry for the suite and for each source of the leaderboard's methods and tasks.

    `methods` and `tasks` map names to citations. A source of several methods has one entry.
    """
    rows = [row for table in leaderboard.tables for row in table.rows]
    columns = [column for table in leaderboard.tables for column in table.columns]
    used = {row.identity.method: methods.get(row.identity.method, "") for row in rows}
    used |= {f"task-{column.task}": tasks.get(column.task, "") for column in columns}
    sources: dict[str, str] = {}  # citation -> the first name that it is of
    for name, citation in sorted(used.items()):
        sources.setdefault(" ".join(citation.split()), name)
    entries = [_entry("matekd-bench", SUITE | dict(_versions(rows)))]
    entries += [_entry(name, dict(_fields(citation))) for citation, name in sources.items() if citation]
    return "\n".join(entries)


def _versions(rows: Sequence[LeaderboardRow]) -> Iterator[tuple[str, str]]:
    """Yield a note of the versions that trained the runs, if they are known."""
    if versions := {run.env["matekd_bench"] for row in rows for run in row.runs if "matekd_bench" in run.env}:
        yield "note", escape(f"Version {', '.join(sorted(versions))}")


def _fields(citation: str) -> Iterator[tuple[str, str]]:
    """Yield the whole citation as a note, since its parts are not marked; arXiv number and first address apart."""
    yield "note", escape(citation)
    if number := ARXIV.search(citation):
        yield "eprint", number[1]
        yield "archiveprefix", "arXiv"
    if link := LINK.search(citation):
        yield "url", link[0]


def _entry(name: str, fields: Mapping[str, str]) -> str:
    lines = "".join(f"  {key} = {{{value}}},\n" for key, value in fields.items())
    return f"@misc{{{NOT_IN_KEY.sub('-', name.lower()).strip('-')},\n{lines}}}\n"
