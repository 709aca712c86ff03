"""EDA's four operations as the released script performs them, in the variant `official`."""

from __future__ import annotations

import random
import re

from matekd_bench import Synonyms
from matekd_plugins.eda.operations import Operations, count, pick, sample
from matekd_plugins.eda.synonym_lookup import STOP_WORDS

_APOSTROPHES = str.maketrans("", "", "'\u2019")
_NOT_LETTERS = re.compile(r"[^a-z]+")
_SOURCES_TRIED = 9  # the script gives up at the tenth word without a synonym, before using it
_POSITIONS_TRIED = 3  # the script draws the second position up to three times: a no-op with probability n^-3


class OfficialOperations(Operations):
    """EDA's operations with the released script's behavior, except its crashes.

    Where the script crashes (no letters, only stop words, empty text), the text is returned unedited. Deviation: where
    the script takes an order out of a Python set, which changes with PYTHONHASHSEED, this takes alphabetical order or
    the order of appearance.
    """

    def __init__(self, thesaurus: Synonyms | None) -> None:
        super().__init__(thesaurus)
        self.synonyms = OfficialSynonyms(thesaurus)

    def split(self, text: str) -> list[str]:
        """Split a text into lower-cased runs of a to z; apostrophes vanish, all else separates words."""
        return _NOT_LETTERS.sub(" ", text.lower().translate(_APOSTROPHES)).split()

    def join(self, words: list[str], text: str) -> str:
        """Join words with spaces, so that the text is cleaned even if no word changed."""
        return " ".join(words)

    def look_up(self, text: str) -> None:
        """Put the synonyms of a text's words into the cache."""
        for word in self.split(text):
            self.synonyms[word]

    def replace(self, words: list[str], alpha: float, rng: random.Random) -> list[str]:
        """Replace distinct words by a synonym each, at every place where they occur."""
        new = words
        synonyms = self.synonyms
        replaceable = [word for word in dict.fromkeys(words) if word not in STOP_WORDS and synonyms[word]]
        for word in sample(replaceable, count(alpha, words), rng):
            synonym = pick(synonyms[word], rng)
            new = [synonym if old == word else old for old in new]
        return new

    def insert(self, words: list[str], alpha: float, rng: random.Random) -> list[str]:
        """Insert the first synonym of random words, stop words too, before a random word: never at the end."""
        new = words.copy()
        for _ in range(count(alpha, words)):
            candidates = self._synonyms_of_random_word(new, rng)
            if candidates:
                new.insert(int(rng.random() * len(new)), candidates[0])
        return new

    def swap(self, words: list[str], alpha: float, rng: random.Random) -> list[str]:
        """Swap two words, several times; each swap has no effect with probability n^-3."""
        new = words.copy()
        length = len(words)
        for _ in range(count(alpha, words)):
            first = int(rng.random() * length)
            for _ in range(_POSITIONS_TRIED):
                second = int(rng.random() * length)
                if second != first:
                    new[first], new[second] = new[second], new[first]
                    break
        return new

    def _synonyms_of_random_word(self, words: list[str], rng: random.Random) -> tuple[str, ...]:
        """Return the synonyms of the first drawn word that has any; empty after as many draws as the script allows."""
        for _ in range(_SOURCES_TRIED):
            candidates = self.synonyms[pick(words, rng)]
            if candidates:
                return candidates
        return ()


class OfficialSynonyms(dict[str, tuple[str, ...]]):
    """The sorted synonyms of lower-cased words as the script writes them, looked up on demand.

    Synonyms are in lower case, with underscores and hyphens as spaces and without other characters than letters.
    """

    def __init__(self, thesaurus: Synonyms | None) -> None:
        super().__init__()
        self._thesaurus = thesaurus

    def __missing__(self, word: str) -> tuple[str, ...]:
        synonyms = self._thesaurus.synonyms(word) if self._thesaurus else ()
        # Deviation: synonyms of which cleaning leaves nothing are dropped.
        cleaned = {_clean(synonym) for synonym in synonyms} - {word, ""}
        self[word] = tuple(sorted(cleaned))
        return self[word]


def _clean(synonym: str) -> str:
    """Reduce a synonym to lower-case letters and single spaces."""
    return " ".join(re.sub(r"[^a-z ]", "", synonym.lower().replace("-", " ")).split())
