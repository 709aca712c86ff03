"""`freelb`: adversarial training in which every point of an ascent in the word embeddings is a training pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, model_validator

from matekd_bench import Context, Method, Params, Perturbation, Range, Task, hookimpl
from matekd_plugins.embeddings import Norm
from matekd_plugins.freelb.published import missing_sizes

SET_BY_TABLE = ("norm", "steps", "passes", "adv_lr", "init_mag", "max_norm", "relative")


class FreeLBParams(Params):
    """Parameters of `freelb`, named as in the authors' scripts."""

    norm: Norm = "l2"
    """The norm in which the ascent steps and the perturbation is bounded."""
    steps: int = Field(default=3, ge=1)
    """K: number of passes per update, or of ascent steps if `passes` is fairseq."""
    # The two public versions of the code differ in the number of passes.
    passes: Literal["transformers", "fairseq"] = "transformers"
    """transformers: K passes with K - 1 ascent steps between them; fairseq: K + 1 passes with K steps."""
    # Deviation from the paper, whose passes share their masks: then small students learn late, or not at all.
    share_dropout: bool = False
    """Share dropout masks between the passes of an update, as in the paper."""
    # No sizes are published for students of a few layers. These are multiples of the student's own embedding norm,
    # chosen on rows held out from train: docs/methods/freelb.md.
    adv_lr: float = Field(default=0.03, ge=0)
    """Length of an ascent step."""
    init_mag: float = Field(default=0.06, ge=0)
    """Size of the first, random perturbation: its norm is about `init_mag` / sqrt(3) under l2."""
    max_norm: float = Field(default=0.09, ge=0)
    """Bound on the norm of the perturbation after a step; 0: no bound."""
    relative: bool = True
    """Take sizes as multiples of the student's median word-embedding norm (linf: that norm / sqrt(width))."""
    published: Literal["none", "roberta", "albert"] = "none"
    """Sizes by task from the authors' scripts for RoBERTa-large or ALBERT-xxlarge-v2, in place of those above."""

    @model_validator(mode="after")
    def _one_source(self) -> FreeLBParams:
        defaults = type(self).model_fields
        changed = [name for name in SET_BY_TABLE if getattr(self, name) != defaults[name].default]
        if self.published != "none" and changed:
            raise ValueError(
                f"published={self.published} sets {', '.join(changed)} too: leave out either 'published' or these"
            )
        return self


def _unfit(params: FreeLBParams, task: Task) -> str | None:
    return None if params.published == "none" else missing_sizes(params.published, task.name)


def _make(params: FreeLBParams, context: Context) -> Perturbation[FreeLBParams]:
    from matekd_plugins.freelb.ascent import FreeLB

    return FreeLB(params, context)


@hookimpl
def matekd_bench_methods() -> Iterator[Method]:
    """Announce the method."""
    yield Method(
        name="freelb",
        summary="Several passes along an ascent in the word embeddings, with one training step for all passes.",
        params=FreeLBParams,
        search={"adv_lr": Range(0.005, 0.06, log=True), "init_mag": Range(0.01, 0.12, log=True)},
        factory=_make,
        unfit=_unfit,
        level="embedding",
        version="1",
        citation="Zhu et al. 2020, FreeLB: Enhanced Adversarial Training for Natural Language Understanding, ICLR, "
        "arXiv 1909.11764",
    )
