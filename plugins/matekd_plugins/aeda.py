"""`aeda`: punctuation marks inserted at random positions (Karimi, Rossi and Prati 2021)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from matekd_bench import Context, Params, TextPerturbation, hookimpl
from matekd_plugins.eda.operations import pick, sample

MARKS = (".", ";", "?", ":", "!", ",")


class AEDAParams(Params):
    """The parameters of `aeda`."""

    variant: Literal["paper", "official"] = "paper"
    """paper: up to a third of the words, any gap; official: up to floor(0.3 words + 1), never at the end."""
    num_aug: int = Field(default=1, ge=1, le=64)
    """Perturbed versions of each example and epoch."""
    segments: Literal["both", "first", "second"] = "both"
    """Which segments of a text pair are perturbed, each on its own."""


class AEDA(TextPerturbation[AEDAParams]):
    """Between 1 and n / 3 marks, their number drawn uniformly, each in a gap of its own between the n words."""

    name = "aeda"
    summary = "An Easier Data Augmentation: punctuation marks inserted at random."
    level = "text"
    version = "1"
    citation = (
        "Karimi, Rossi, Prati 2021, AEDA: An Easier Data Augmentation Technique for Text Classification, "
        "Findings of EMNLP 2021, arXiv 2108.13230"
    )

    def __init__(self, params: AEDAParams, context: Context) -> None:
        super().__init__(params, context)
        self.variants = params.num_aug
        self.segments = params.segments

    def perturb(self, text: str, rng: random.Random) -> str:
        """`text` with marks as words of their own; a text without words as it is.

        Every choice is made from `rng.random()`, the one generator method whose sequence Python guarantees.
        """
        words = text.split()
        if not words:
            return text
        official = self.params.variant == "official"
        most = int(0.3 * len(words) + 1) if official else max(1, len(words) // 3)
        number = 1 + int(rng.random() * most)
        gaps = range(len(words) if official else len(words) + 1)
        marks = {gap: pick(MARKS, rng) for gap in sample(list(gaps), number, rng)}
        new = [part for gap, word in enumerate(words) for part in (marks.get(gap), word) if part]
        return " ".join([*new, *filter(None, [marks.get(len(words))])])


@hookimpl
def matekd_bench_methods() -> Iterator[type[AEDA]]:
    """Announce the method."""
    yield AEDA
