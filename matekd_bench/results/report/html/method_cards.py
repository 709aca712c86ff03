"""Makes the method cards of a page from the records and the installed plugins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matekd_bench.files.hashing import canonical
from matekd_bench.methods.method import Method
from matekd_bench.methods.overrides import overrides_in_words
from matekd_bench.methods.params import describe
from matekd_bench.results.leaderboard.table import LeaderboardRow, LeaderboardTables
from matekd_bench.results.report.html.bibtex import ARXIV, LINK


@dataclass(frozen=True)
class MethodCard:
    """The description of one method.

    `facts` are pairs of name and value. `parameters` are tuples of name, default, bounds and meaning. `variants` are
    pairs of row label and recorded parameters.
    """

    name: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    parameters: tuple[tuple[str, str, str, str], ...]
    variants: tuple[tuple[str, str], ...]
    links: tuple[str, ...] = ()


def cards(leaderboard: LeaderboardTables, methods: Mapping[str, Method]) -> list[MethodCard]:
    """Make a card for every method in `leaderboard`, sorted by name; `methods` are the installed ones."""
    rows: dict[str, list[LeaderboardRow]] = {}
    for table in leaderboard.tables:
        for row in table.rows:
            rows.setdefault(row.identity.method, []).append(row)
    return [_card(name, rows[name], methods.get(name)) for name in sorted(rows)]


def _card(name: str, rows: Sequence[LeaderboardRow], method: Method | None) -> MethodCard:
    recorded = ", ".join(sorted({row.identity.version for row in rows}))
    variants = {row.label: canonical(dict(row.identity.params)) for row in rows}
    facts = [("recorded version", recorded)]
    if method is None:
        summary = "This method is not installed here. This card shows only what the records contain."
        return MethodCard(name, summary, tuple(facts), (), tuple(sorted(variants.items())))
    facts += [("installed version", method.version), ("level", method.level), ("cite", method.citation)]
    facts += [
        ("needs", ", ".join(sorted(method.needs))),
        ("role", method.role if method.role != "method" else ""),
    ]
    facts += [("overrides", overrides_in_words(method))]
    return MethodCard(
        name=name,
        summary=method.summary,
        facts=tuple(fact for fact in facts if fact[1]),
        parameters=tuple(
            (param.name, param.default, param.bounds, param.description) for param in describe(method)
        ),
        variants=tuple(sorted(variants.items())),
        links=_links(method.citation),
    )


def _links(citation: str) -> tuple[str, ...]:
    """Return the addresses in a citation; arXiv numbers become links, and come first."""
    papers = [f"https://arxiv.org/abs/{number}" for number in ARXIV.findall(citation)]
    return tuple(dict.fromkeys([*papers, *LINK.findall(citation)]))
