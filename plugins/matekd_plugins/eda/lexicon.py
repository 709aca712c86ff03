"""Looking up a word as it stands in a text: stop words, punctuation and case around the thesaurus."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from matekd_bench import Synonyms

_DIGIT = re.compile(r"\d")


def _stop_words() -> frozenset[str]:
    """The function words that EDA leaves alone, from the list in this package."""
    text = files("matekd_plugins.eda").joinpath("stopwords.txt").read_text(encoding="utf-8")
    return frozenset(word for line in text.splitlines() if line[:1] != "#" for word in line.split())


STOP_WORDS = _stop_words()


@dataclass(frozen=True, slots=True)
class Entry:
    """A word that has synonyms, and how it is written in the text."""

    synonyms: tuple[str, ...]
    before: str
    after: str
    case: Literal["upper", "capital", "other"]

    def dress(self, synonym: str) -> str:
        """`synonym` with the punctuation and the case of the word it replaces."""
        if self.case == "upper":
            synonym = synonym.upper()
        elif self.case == "capital":
            synonym = synonym[:1].upper() + synonym[1:]
        return self.before + synonym + self.after


class Lexicon(dict[str, Entry | None]):
    """Words as written in texts, each with its entry, or None where it has no synonyms; filled on demand.

    Stop words, single letters and words with a digit have none. The thesaurus is asked once for each
    lower-cased word.
    """

    def __init__(self, thesaurus: Synonyms | None) -> None:
        super().__init__()
        self._thesaurus = thesaurus
        self._synonyms: dict[str, tuple[str, ...]] = {}

    def __missing__(self, word: str) -> Entry | None:
        before, core, after = _parts(word)
        synonyms = self._look_up(core.lower().replace("\u2019", "'"))
        entry = Entry(synonyms, before, after, _case(core)) if synonyms else None
        self[word] = entry
        return entry

    def _look_up(self, word: str) -> tuple[str, ...]:
        if word not in self._synonyms:
            wanted = len(word) > 1 and word not in STOP_WORDS and not _DIGIT.search(word)
            self._synonyms[word] = self._thesaurus.synonyms(word) if wanted and self._thesaurus else ()
        return self._synonyms[word]


def _parts(word: str) -> tuple[str, str, str]:
    """What stands before the first letter or digit, from there to the last one, and after it."""
    inside = [position for position, character in enumerate(word) if character.isalnum()]
    if not inside:
        return word, "", ""
    start, stop = inside[0], inside[-1] + 1
    return word[:start], word[start:stop], word[stop:]


def _case(word: str) -> Literal["upper", "capital", "other"]:
    """How a word is written: in capitals, with a capital first letter, or otherwise."""
    if word.isupper():
        return "upper"
    return "capital" if word[:1].isupper() else "other"
