"""`vat`: virtual adversarial training, which shifts word embeddings so that the student's output changes most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from matekd_bench import Batch, Context, Joint, Models, Params, Perturbation, Range, View, Views, hookimpl
from matekd_plugins.embeddings import direction, gaussian, shift_gradient, unlabeled

if TYPE_CHECKING:
    from torch import Tensor


class VATParams(Params):
    """Parameters of `vat`."""

    epsilon: float = Field(default=0.3, ge=0)
    """Norm of the perturbation of a whole sequence."""
    xi: float = Field(default=0.03, gt=0)
    # Far above the paper's 1e-6, which float32 cannot resolve (docs/methods/vat.md has the measurement).
    """Norm of the probe by which the power iteration measures the curvature."""
    power_iterations: int = Field(default=1, ge=1)
    """Number of power iterations (K in the paper)."""
    weight: float = Field(default=1.0, ge=0)
    """Weight of the divergence (alpha in the paper)."""
    relative: bool = True
    """Take `epsilon` and `xi` as multiples of the median norm of the student's word embeddings."""


class VAT(Perturbation[VATParams]):
    """Virtual adversarial training: ``kd + weight * D(p, q(r))`` (Miyato et al. 2018, equations 5 and 6).

    p is the student's output on the clean text, a constant, and q(r) its output at the worst shift r. D is the study's
    divergence. The worst direction is the dominant eigenvector of the divergence's Hessian, found by power iteration
    from a random direction (algorithm 1).

    Deviation from the paper, which perturbs images: here the word embeddings before position, type and layer norm.
    """

    name = "vat"
    summary = "Word embeddings shifted so that the student's own output changes most."
    level = "embedding"
    version = "1"
    search = {"epsilon": Range(0.1, 1.0, log=True), "weight": Range(0.1, 10.0, log=True)}
    citation = (
        "Miyato et al. 2018, Virtual Adversarial Training: A Regularization Method for Supervised and "
        "Semi-Supervised Learning, IEEE TPAMI 41(8), arXiv 1704.03976"
    )

    def __init__(self, params: VATParams, context: Context) -> None:
        super().__init__(params, context)
        # In place of normalizing the embeddings, as Miyato, Dai and Goodfellow (2017) do for text.
        self._unit = context.word_embeddings.median_norm if params.relative else 1.0

    def views(self, batch: Batch, models: Models) -> Views:
        """Yield the clean view with the full weight of labels and teacher, then the shifted view against its output."""
        # float32 whatever the study's precision: in bfloat16 the direction is lost. All passes have dropout number 0
        # and so share their masks.
        view = replace(batch.clean, precise=True)
        seen = yield view

        def term(logits: Tensor) -> Tensor:
            distance = models.divergence(logits, seen.student)
            self.context.report("smoothness", distance.sum(), len(batch))
            return self.params.weight * distance

        worst = self._worst_direction(batch, view, seen.student, models)
        yield Joint((unlabeled(view, self.params.epsilon * self._unit * worst),), term=term)

    def _worst_direction(self, batch: Batch, view: View, clean: Tensor, models: Models) -> Tensor:
        """Find unit shifts [B, L, width] along which the output moves fastest away from the logits `clean` [B, C]."""
        unit_shift = direction(gaussian(self.context, batch, "vat"), "l2")
        for _ in range(self.params.power_iterations):
            probe = self.params.xi * self._unit * unit_shift
            grad = shift_gradient(models, view, probe, lambda logits: models.divergence(logits, clean))
            unit_shift = direction(grad, "l2")
        return unit_shift


@hookimpl
def matekd_bench_methods() -> Iterator[type[VAT]]:
    """Announce the method."""
    yield VAT
