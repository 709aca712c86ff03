"""EDA's four operations on a list of words, in the variant `fixed`."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from matekd_bench import Synonyms
from matekd_plugins.eda.synonym_lookup import Lexicon

T = TypeVar("T")
Operation: TypeAlias = Callable[[list[str], float, random.Random], list[str]]


class Operations:
    """Synonym replacement, random insertion, random swap and random deletion that keep case, digits and punctuation.

    Each operation takes the words of a text (at least one), a strength alpha in (0, 1] and a random generator. It
    returns the new words, at least one, and does not change the list `words`.
    """

    def __init__(self, thesaurus: Synonyms | None) -> None:
        self.lexicon = Lexicon(thesaurus)

    def split(self, text: str) -> list[str]:
        """Split a text at white space; punctuation stays with its word."""
        return text.split()

    def join(self, words: list[str], text: str) -> str:
        """Join words with spaces; return `text` itself if no word changed, to keep its white space."""
        return text if words == self.split(text) else " ".join(words)

    def look_up(self, text: str) -> None:
        """Put the synonyms of a text's words into the cache."""
        for word in self.split(text):
            self.lexicon[word]

    def replace(self, words: list[str], alpha: float, rng: random.Random) -> list[str]:
        """Replace words at distinct positions by synonyms; stop words and words without synonyms are kept."""
        lexicon = self.lexicon
        new = words.copy()
        replaceable = [position for position, word in enumerate(words) if lexicon[word] is not None]
        for position in sample(replaceable, count(alpha, words), rng):
            entry = lexicon[words[position]]
            if entry is not None:  # always true here: for type checkers
                new[position] = entry.dress(pick(entry.synonyms, rng))
        return new

    def insert(self, words: list[str], alpha: float, rng: random.Random) -> list[str]:
        """Insert synonyms of words of the text at random positions, both ends included."""
        lexicon = self.lexicon
        sources = [entry for word in words if (entry := lexicon[word]) is not None]
        if not sources:
            return words
        new = words.copy()
        for _ in range(count(alpha, words)):
            synonym = pick(pick(sources, rng).synonyms, rng)
            new.insert(int(rng.random() * (len(new) + 1)), synonym)
        return new

    def swap(self, words: list[str], alpha: float, rng: random.Random) -> list[str]:
        """Swap the words at two distinct positions, several times; a single word is kept."""
        length = len(words)
        if length < 2:
            return words
        new = words.copy()
        for _ in range(count(alpha, words)):
            first = int(rng.random() * length)
            second = int(rng.random() * (length - 1))
            second += second >= first  # every position but the first one, each equally likely
            new[first], new[second] = new[second], new[first]
        return new

    def delete(self, words: list[str], alpha: float, rng: random.Random) -> list[str]:
        """Delete each word with probability `alpha`; if none is left, keep one drawn uniformly."""
        draw = rng.random
        remaining = words if len(words) == 1 else [word for word in words if draw() > alpha]
        return remaining or [pick(words, rng)]


def count(alpha: float, words: list[str]) -> int:
    """Compute the number of edits of a text: n = max(1, floor(alpha * length)) (paper, section 2)."""
    return max(1, int(alpha * len(words)))


def pick(items: list[T] | tuple[T, ...], rng: random.Random) -> T:
    """Draw one item uniformly."""
    return items[int(rng.random() * len(items))]


def sample(items: list[T], size: int, rng: random.Random) -> list[T]:
    """Draw up to `size` distinct items uniformly; reorders `items` (first steps of a Fisher-Yates shuffle)."""
    size = min(size, len(items))
    for index in range(size):
        other = index + int(rng.random() * (len(items) - index))
        items[index], items[other] = items[other], items[index]
    return items[:size]
