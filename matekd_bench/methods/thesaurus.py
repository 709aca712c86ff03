"""Thesauri: the record by which a plugin offers one, and the synonyms that are read from it."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

DEBIAN = Path("/usr/share/wordnet")
SHARED = ("/usr/share", "/usr/local/share", "/usr/lib", "/usr/local/lib")


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


def wordnet_places() -> Iterator[Path]:
    """Where WordNet lies on this machine, a folder or a zip archive: NLTK_DATA, NLTK's usual folders, Debian's own."""
    bases = [*os.environ.get("NLTK_DATA", "").split(os.pathsep), *_nltk_folders()]
    places = [Path(base).expanduser() / "corpora" / "wordnet" for base in bases if base]
    for place in dict.fromkeys([*places, DEBIAN]):
        if (place / "data.noun").exists():
            yield place
        elif (packed := place.with_suffix(".zip")).is_file():
            yield packed


def _nltk_folders() -> list[str]:
    """Where NLTK looks for its data. To ask it takes seconds, since it loads scipy: it is asked where it is loaded."""
    if sys.platform == "win32" or "nltk" in sys.modules:
        import nltk.data

        return list(map(str, nltk.data.path))
    bases = [
        os.path.expanduser("~"),
        *(os.path.join(sys.prefix, *part) for part in ((), ("share",), ("lib",))),
    ]
    return [os.path.join(base, "nltk_data") for base in (*bases, *SHARED)]
