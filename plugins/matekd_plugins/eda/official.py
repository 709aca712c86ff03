"""The four operations of EDA as the released script performs them, in the variant `official`."""

from __future__ import annotations

import random
import re

from matekd_bench import Synonyms
from matekd_plugins.eda.lexicon import STOP_WORDS
from matekd_plugins.eda.operations import Operations, count, pick, sample

_APOSTROPHES = str.maketrans("", "", "'\u2019")
_NOT_LETTERS = re.compile(r"[^a-z]+")
_SOURCES_TRIED = 9  # the script stops at the tenth word without a synonym, before using it
_POSITIONS_TRIED = 3  # the script draws the second position up to three times: a no-op with probability n^-3


class OfficialOperations(Operations):
    """As :class:`Operations`, with the released script's behavior, its crashes apart.

    Where the script takes the first element of a Python set, which changes with PYTHONHASHSEED, this takes
    the first in alphabetical order.
    """

    def __init__(self, thesaurus: Synonyms | None) -> None:
        super().__init__(thesaurus)
        self.synonyms = Candidates(thesaurus)

    def split(self, text: str) -> list[str]:
        """Lower-cased runs of a to z; apostrophes vanish, everything else separates words."""
        return _NOT_LETTERS.sub(" ", text.lower().translate(_APOSTROPHES)).split()

    def join(self, words: list[str], text: str) -> str:
        """The text of `words`: cleaned even where no word changed."""
        return " ".join(words)

    def look_up(self, text: str) -> None:
        """Puts the synonyms of a text's words into the cache."""
        for word in self.split(text):
            self.synonyms[word]

    def replace(self, words: list[str], alpha: float, rng: random.Random) -> list[str]:
        """Replaces every occurrence of distinct words that are no stop words and have synonyms."""
        new = words
        synonyms = self.synonyms
        chosen = [word for word in dict.fromkeys(words) if word not in STOP_WORDS and synonyms[word]]
        for word in sample(chosen, count(alpha, words), rng):
            synonym = pick(synonyms[word], rng)
            new = [synonym if old == word else old for old in new]
        return new

    def insert(self, words: list[str], alpha: float, rng: random.Random) -> list[str]:
        """Inserts the first synonym of any word, stop words too, before some word: never at the end."""
        new = words.copy()
        for _ in range(count(alpha, words)):
            candidates = self._source(new, rng)
            if candidates:
                new.insert(int(rng.random() * len(new)), candidates[0])
        return new

    def swap(self, words: list[str], alpha: float, rng: random.Random) -> list[str]:
        """Exchanges two words, several times; each time a no-op with probability n^-3."""
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

    def _source(self, words: list[str], rng: random.Random) -> tuple[str, ...]:
        """The synonyms of the first word drawn that has any, among the draws the script allows."""
        for _ in range(_SOURCES_TRIED):
            candidates = self.synonyms[pick(words, rng)]
            if candidates:
                return candidates
        return ()


class Candidates(dict[str, tuple[str, ...]]):
    """The synonyms of lower-cased words as the script writes them, sorted; filled on demand.

    Lower case, underscores and hyphens as spaces, everything but letters and spaces dropped.
    """

    def __init__(self, thesaurus: Synonyms | None) -> None:
        super().__init__()
        self._thesaurus = thesaurus

    def __missing__(self, word: str) -> tuple[str, ...]:
        found = self._thesaurus.synonyms(word) if self._thesaurus else ()
        plain = {_plain(synonym) for synonym in found} - {word, ""}
        self[word] = tuple(sorted(plain))
        return self[word]


def _plain(synonym: str) -> str:
    """A synonym in the script's alphabet."""
    return " ".join(re.sub(r"[^a-z ]", "", synonym.lower().replace("-", " ")).split())
