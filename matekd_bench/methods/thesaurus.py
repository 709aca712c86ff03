"""Thesauri: the record by which a plugin offers one, and the synonyms that are read from it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Synonyms:
    """A source of synonyms, ready to be asked.

    `name` identifies it in records, so it changes whenever an answer may: put a digest into it. `lookup` gives the
    synonyms of a lower-cased word as the source writes them, in any order and with repetitions. `notices` are
    sentences for the user.
    """

    name: str
    lookup: Callable[[str], Iterable[str]]
    notices: tuple[str, ...] = ()

    @classmethod
    def of_groups(cls, name: str, text: str) -> Synonyms:
        """Those of groups of words, one group a line (see :func:`groups_in`); a digest of `text` joins the name."""
        table = groups_in(text)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return cls(f"{name} (sha256 {digest})", lambda word: table.get(word, ()))

    def synonyms(self, word: str) -> tuple[str, ...]:
        """The distinct synonyms of a lower-cased word in alphabetical order, the word itself left out."""
        found = {synonym.replace("_", " ") for synonym in self.lookup(word)}
        return tuple(sorted(synonym for synonym in found if synonym.lower() != word))


@dataclass(frozen=True, kw_only=True)
class Thesaurus:
    """A thesaurus that methods can be told by its name, e.g. ``eda[thesaurus=NAME]``.

    `load` is called when a method first asks for it, and may be called again: keep what is costly.
    """

    name: str
    summary: str
    load: Callable[[], Synonyms]


def groups_in(text: str) -> dict[str, list[str]]:
    """Each lower-cased word of `text` with the members of its groups, as written, itself among them.

    One group a line, words separated by commas; lines that start with ``#`` are comments.
    """
    table: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        group = [word for part in line.split(",") if (word := " ".join(part.split()))]
        for word in group if len(group) > 1 else ():
            table.setdefault(word.lower(), []).extend(group)
    return table
