"""`matekd`: a masked language model is trained to write inputs on which teacher and student disagree most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from matekd_bench import Context, Method, Perturbation, Range, hookimpl
from matekd_plugins.masking import MASK_SEARCH, MaskParams

# Settings that the released code hard-codes (MATE-KD/train_adversarial_student.py).
# Not taken over from it: padding to 128 tokens, no token types, best dev score.
OFFICIAL = {
    # The paper has KL. CE = KL + H(T(x')), so the generator is also rewarded for making the teacher unsure.
    "training.objective.divergence": "cross-entropy",
    "training.optimizer.algorithm": "adam",
    "training.optimizer.warmup_updates": 2138,  # regardless of the number of updates
    "training.optimizer.weight_decay": 0.0,
    "training.optimizer.clip": 5.0,
    # Generator updates use up 10 of every 110 of the student's batches, and the schedule runs over all batches.
    "training.auxiliary_updates": "within",
}


class MateKDParams(MaskParams):
    """Parameters of `matekd`; the defaults are the paper's."""

    # Left out of run ids for 'paper', since the parameter was added after the first runs.
    variant: Literal["paper", "official"] = Field(default="paper", exclude_if=lambda value: value == "paper")
    """paper: the paper's algorithm; official: the released code's, which overrides settings of the study's training."""
    generator_lr: float = Field(default=5e-7, gt=0)
    """Learning rate of the generator's AdamW. The paper's 5e-7 needs tens of thousands of updates to have an effect."""
    temperature: float = Field(default=1.0, gt=0)
    """Temperature of the Gumbel-softmax."""
    generator_updates: int = Field(default=10, ge=0)
    """n_G: generator updates before every `student_updates`; 0: the generator is not trained."""
    student_updates: int = Field(default=100, ge=1)
    """n_S: student updates between two rounds of generator updates."""
    clip: float = Field(default=5.0, gt=0)
    """Bound on the norm of the generator's gradient."""


def _overrides(params: MateKDParams) -> Mapping[str, Any]:
    return OFFICIAL if params.variant == "official" else {}


def _make(params: MateKDParams, context: Context) -> Perturbation[MateKDParams]:
    from matekd_plugins.matekd.adversary import MateKD

    return MateKD(params, context)


@hookimpl
def matekd_bench_methods() -> Iterator[Method]:
    """Announce the method."""
    yield Method(
        name="matekd",
        summary="A masked language model writes text on which teacher and student disagree most.",
        params=MateKDParams,
        search={"generator_lr": Range(5e-6, 5e-4, log=True), **MASK_SEARCH},
        factory=_make,
        overrides=_overrides,
        level="generator",
        version="1",
        needs=frozenset({"generator", "one-vocabulary", "mask-token"}),
        citation="Rashid, Lioutas, Rezagholizadeh 2021, MATE-KD: Masked Adversarial TExt, a Companion to Knowledge "
        "Distillation, ACL 2021, arXiv 2105.05912",
    )
