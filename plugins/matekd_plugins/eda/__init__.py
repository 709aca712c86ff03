"""EDA: synonym replacement, random insertion, random swap and random deletion of words (Wei and Zou 2019)."""

from __future__ import annotations

from collections.abc import Iterator

from matekd_bench import Method, Range, Thesaurus, hookimpl
from matekd_plugins.eda.method import EDA, EDAParams, resources
from matekd_plugins.eda.thesaurus import thesauri

__all__ = ["EDA", "EDAParams", "matekd_bench_methods", "matekd_bench_thesauri"]


@hookimpl
def matekd_bench_methods() -> Iterator[Method]:
    """Announces `eda`."""
    yield Method(
        name="eda",
        summary="Easy Data Augmentation: one random edit of words (synonym, insertion, swap, deletion).",
        params=EDAParams,
        search={"alpha": Range(0.05, 0.5, log=True)},
        factory=EDA,
        level="text",
        version="1",
        citation="Wei and Zou, EMNLP-IJCNLP 2019, arXiv:1901.11196",
        needs=frozenset({"thesaurus"}),
        resources=resources,
    )


@hookimpl
def matekd_bench_thesauri() -> Iterator[Thesaurus]:
    """Announces `auto`, `wordnet` and `embedded`."""
    yield from thesauri()
