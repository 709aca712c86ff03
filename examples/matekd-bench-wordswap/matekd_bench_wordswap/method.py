"""The method `wordswap`: each word that has synonyms gives way to one of them with a given probability."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from pydantic import Field

from matekd_bench import Params, Synonyms, TextPerturbation, find_thesaurus

if TYPE_CHECKING:
    from matekd_bench import Context


class WordSwapParams(Params):
    """The parameters of `wordswap`; `matekd-bench methods show wordswap` prints these docstrings."""

    rate: float = Field(default=0.2, ge=0, le=1)
    """Probability with which a word that has synonyms gives way to one."""
    thesaurus: str = "auto"
    """A thesaurus by name: auto, wordnet, embedded, kitchen, or another plugin's."""

    def synonyms(self) -> Synonyms:
        """Load the words of the thesaurus."""
        return find_thesaurus(self.thesaurus).load()


class WordSwap(TextPerturbation[WordSwapParams]):
    """Words give way to synonyms from a thesaurus of your choice.

    The first line is the summary in lists. There is one version of each text, a new one in every epoch.
    """

    name = "wordswap"
    version = "1"
    needs = frozenset({"thesaurus"})
    citation = "The example of matekd-bench's documentation"

    def __init__(self, params: WordSwapParams, context: Context) -> None:
        super().__init__(params, context)
        self._synonyms = params.synonyms()
        self.notices = list(self._synonyms.notices)

    @classmethod
    def resources(cls, params: WordSwapParams) -> dict[str, str]:
        """Name the thesaurus in use: it becomes part of a run's identity and record."""
        return {"thesaurus": params.synonyms().name}

    def perturb(self, text: str, rng: random.Random) -> str:
        """Replace some words of `text`; every random choice comes from `rng`."""
        return " ".join(self._swapped(word, rng) for word in text.split())

    def _swapped(self, word: str, rng: random.Random) -> str:
        if rng.random() >= self.params.rate:
            return word
        synonyms = self._synonyms.synonyms(word.lower())
        return synonyms[int(rng.random() * len(synonyms))] if synonyms else word
