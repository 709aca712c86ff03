"""Thesauri: the record with which a plugin offers one, the synonyms read from it, and the search for WordNet."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

DEBIAN = Path("/usr/share/wordnet")
SYSTEM_FOLDERS = ("/usr/share", "/usr/local/share", "/usr/lib", "/usr/local/lib")


@dataclass(frozen=True)
class Synonyms:
    """A loaded source of synonyms.

    `name` identifies the source in records. It must change whenever a synonym may change, so put a digest into it.
    `lookup` returns the synonyms of a lower-cased word as the source writes them, in any order and with repetitions.
    `notices` are sentences for the user.
    """

    name: str
    lookup: Callable[[str], Iterable[str]]
    notices: tuple[str, ...] = ()

    @classmethod
    def of_groups(cls, name: str, text: str) -> Synonyms:
        """Make synonyms from groups of words, one group per line (see :func:`groups_in`).

        A digest of `text` is added to `name`.
        """
        table = groups_in(text)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return cls(f"{name} (sha256 {digest})", lambda word: table.get(word, ()))

    def synonyms(self, word: str) -> tuple[str, ...]:
        """Return the distinct synonyms of a lower-cased word in alphabetical order, without the word itself."""
        # WordNet's lemmas have underscores for spaces. Sorted, since draws depend on the order.
        synonyms = {synonym.replace("_", " ") for synonym in self.lookup(word)}
        return tuple(sorted(synonym for synonym in synonyms if synonym.lower() != word))


@dataclass(frozen=True, kw_only=True)
class Thesaurus:
    """A thesaurus that users can choose by name, e.g. ``eda[thesaurus=NAME]``.

    `load` is called when a method first needs it and may be called again, so cache costly results.
    """

    name: str
    summary: str
    load: Callable[[], Synonyms]


def groups_in(text: str) -> dict[str, list[str]]:
    """Map each lower-cased word of `text` to all members of its groups, as written, itself included.

    The text has one group per line, words separated by commas. Lines that start with ``#`` are comments.
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
    """Yield WordNet's folders and zip archives on this machine, in NLTK_DATA, NLTK's folders and Debian's folder."""
    bases = [*os.environ.get("NLTK_DATA", "").split(os.pathsep), *_nltk_folders()]
    places = [Path(base).expanduser() / "corpora" / "wordnet" for base in bases if base]
    for place in dict.fromkeys([*places, DEBIAN]):
        if (place / "data.noun").exists():
            yield place
        elif (archive := place.with_suffix(".zip")).is_file():
            yield archive


def _nltk_folders() -> list[str]:
    """Return the folders in which NLTK looks for its data."""
    # Importing NLTK takes seconds, since it loads scipy. So it is asked only if it is already loaded, or on Windows.
    if sys.platform == "win32" or "nltk" in sys.modules:
        import nltk.data

        return list(map(str, nltk.data.path))
    bases = [
        os.path.expanduser("~"),
        *(os.path.join(sys.prefix, *parts) for parts in ((), ("share",), ("lib",))),
    ]
    return [os.path.join(base, "nltk_data") for base in (*bases, *SYSTEM_FOLDERS)]
