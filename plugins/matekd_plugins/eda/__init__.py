"""`eda`: synonym replacement, random insertion, random swap and random deletion of words (Wei and Zou 2019)."""

from __future__ import annotations

from collections.abc import Iterator

from matekd_bench import Thesaurus, hookimpl
from matekd_plugins.eda.eda_perturbation import EDA, EDAParams
from matekd_plugins.eda.thesaurus import thesauri

__all__ = ["EDA", "EDAParams", "matekd_bench_methods", "matekd_bench_thesauri"]


@hookimpl
def matekd_bench_methods() -> Iterator[type[EDA]]:
    """Announce `eda`."""
    yield EDA


@hookimpl
def matekd_bench_thesauri() -> Iterator[Thesaurus]:
    """Announce `auto`, `wordnet` and `embedded`."""
    yield from thesauri()
