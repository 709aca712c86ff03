"""Synonyms of words as written in a text: handles stop words, punctuation and case around the thesaurus."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from matekd_bench import Synonyms

_DIGIT = re.compile(r"\d")


def _stop_words() -> frozenset[str]:
    """Read the function words that EDA leaves alone."""
    # Deviation from the paper: the list is this project's own.
    text = files("matekd_plugins.eda").joinpath("stopwords.txt").read_text(encoding="utf-8")
    return frozenset(word for line in text.splitlines() if line[:1] != "#" for word in line.split())


STOP_WORDS = _stop_words()


@dataclass(frozen=True, slots=True)
class SynonymEntry:
    """A word with its synonyms, and its punctuation and case in the text."""

    synonyms: tuple[str, ...]
    before: str
    after: str
    case: Literal["upper", "capital", "other"]

    def dress(self, synonym: str) -> str:
        """Give `synonym` the punctuation and the case of the word it replaces."""
        if self.case == "upper":
            synonym = synonym.upper()
        elif self.case == "capital":
            synonym = synonym[:1].upper() + synonym[1:]
        return self.before + synonym + self.after


class Lexicon(dict[str, SynonymEntry | None]):
    """Entries of words as written in texts, None for words without synonyms, looked up on demand.

    Stop words, single letters and words with a digit have none. The thesaurus is asked once per lower-cased word.
    """

    def __init__(self, thesaurus: Synonyms | None) -> None:
        super().__init__()
        self._thesaurus = thesaurus
        self._synonyms: dict[str, tuple[str, ...]] = {}

    def __missing__(self, word: str) -> SynonymEntry | None:
        before, core, after = _parts(word)
        synonyms = self._look_up(core.lower().replace("\u2019", "'"))
        entry = SynonymEntry(synonyms, before, after, _case(core)) if synonyms else None
        self[word] = entry
        return entry

    def _look_up(self, word: str) -> tuple[str, ...]:
        if word not in self._synonyms:
            replaceable = len(word) > 1 and word not in STOP_WORDS and not _DIGIT.search(word)
            self._synonyms[word] = self._thesaurus.synonyms(word) if replaceable and self._thesaurus else ()
        return self._synonyms[word]


def _parts(word: str) -> tuple[str, str, str]:
    """Split a word into leading punctuation, the part from first to last letter or digit, and trailing punctuation."""
    inside = [position for position, character in enumerate(word) if character.isalnum()]
    if not inside:
        return word, "", ""
    start, stop = inside[0], inside[-1] + 1
    return word[:start], word[start:stop], word[stop:]


def _case(word: str) -> Literal["upper", "capital", "other"]:
    """Classify a word's case: all capitals, capital first letter, or other."""
    if word.isupper():
        return "upper"
    return "capital" if word[:1].isupper() else "other"
