"""`frozen-generator`: MATE-KD without updates of the generator, an ablation that has no adversary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from matekd_bench import Context, Method, hookimpl
from matekd_plugins.masking import MASK_SEARCH, MaskParams

if TYPE_CHECKING:
    from matekd_plugins.frozen_generator.rewriting import FrozenGenerator


def _make(params: MaskParams, context: Context) -> FrozenGenerator:
    from matekd_plugins.frozen_generator.rewriting import FrozenGenerator

    return FrozenGenerator(params, context)


@hookimpl
def matekd_bench_methods() -> Iterator[Method]:
    """Announce the method."""
    yield Method(
        name="frozen-generator",
        summary="Ablation of MATE-KD: 30 % of the tokens rewritten by a generator that is not trained.",
        params=MaskParams,
        search=MASK_SEARCH,
        factory=_make,
        level="generator",
        version="1",
        role="ablation",
        needs=frozenset({"generator", "one-vocabulary", "mask-token"}),
        citation="Rashid, Lioutas, Rezagholizadeh 2021, MATE-KD: Masked Adversarial TExt, a Companion to Knowledge "
        "Distillation, ACL 2021, arXiv 2105.05912",
    )
