"""`tinybert-aug`: words replaced by a masked language model's predictions for their position (Jiao et al. 2020)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from matekd_bench import Context, Method, Params, Range, hookimpl

if TYPE_CHECKING:
    from matekd_plugins.tinybert_aug.augmentation import TinyBertAug


class TinyBertAugParams(Params):
    """Parameters of `tinybert-aug`; the defaults are the paper's (algorithm 1 and appendix A)."""

    replace_rate: float = Field(default=0.4, gt=0, le=1)
    """Probability with which each word that has candidates is replaced (p_t in the paper)."""
    candidates: int = Field(default=15, ge=1, le=1000)
    """Number of the generator's most probable tokens considered for a word (K in the paper, M in its code)."""
    versions: int | None = Field(default=None, ge=1, le=10_000)
    """Number of perturbed versions of each text (N_a); none: 10 to 30 by task as in the released code, or 20."""
    segments: Literal["both", "first", "second"] = "both"
    """Which segments of a text pair are perturbed, each on its own."""


def _make(params: TinyBertAugParams, context: Context) -> TinyBertAug:
    from matekd_plugins.tinybert_aug.augmentation import TinyBertAug

    return TinyBertAug(params, context)


@hookimpl
def matekd_bench_methods() -> Iterator[Method]:
    """Announce the method."""
    yield Method(
        name="tinybert-aug",
        summary="TinyBERT's augmentation: words replaced by a masked language model's candidates.",
        params=TinyBertAugParams,
        search={"replace_rate": Range(0.1, 0.6)},
        factory=_make,
        level="text",
        version="1",
        needs=frozenset({"generator", "mask-token"}),
        citation="Jiao, Yin, Shang, Jiang, Chen, Li, Wang, Liu 2020, TinyBERT: Distilling BERT for Natural Language "
        "Understanding, Findings of EMNLP 2020, arXiv 1909.10351",
    )
