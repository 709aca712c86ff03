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
    """Parameters of `aeda`."""

    variant: Literal["paper", "official"] = "paper"
    """paper: up to words / 3 marks, at any gap; official: up to floor(0.3 words + 1), never at the end."""
    num_aug: int = Field(default=1, ge=1, le=64)
    """Number of perturbed versions of each example in each epoch."""
    segments: Literal["both", "first", "second"] = "both"
    """Which segments of a text pair are perturbed, each on its own."""


class AEDA(TextPerturbation[AEDAParams]):
    """AEDA: punctuation marks at distinct gaps between the n words, with their number uniform from 1 to n / 3."""

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
        """Return `text` with marks inserted as separate words; return a text without words unchanged."""
        # All choices use `rng.random()`, the only generator method whose sequence Python guarantees.
        # Deviation from the released code, which splits at single spaces: white space of any kind separates words.
        words = text.split()
        if not words:
            return text
        official = self.params.variant == "official"
        max_marks = int(0.3 * len(words) + 1) if official else max(1, len(words) // 3)
        number = 1 + int(rng.random() * max_marks)
        # The paper does not say whether marks may be adjacent or at the end: here they have distinct gaps, and `paper`
        # allows the end.
        gaps = range(len(words) if official else len(words) + 1)
        marks = {gap: pick(MARKS, rng) for gap in sample(list(gaps), number, rng)}
        new = [part for gap, word in enumerate(words) for part in (marks.get(gap), word) if part]
        return " ".join([*new, *filter(None, [marks.get(len(words))])])


@hookimpl
def matekd_bench_methods() -> Iterator[type[AEDA]]:
    """Announce the method."""
    yield AEDA
