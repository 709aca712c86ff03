"""`vat`: virtual adversarial training on word embeddings, along which the student's own answer changes most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from matekd_bench import Batch, Context, Joint, Models, Params, Perturbation, Range, View, Views, hookimpl
from matekd_plugins.embeddings import direction, gaussian, slope, unlabeled

if TYPE_CHECKING:
    from torch import Tensor


class VATParams(Params):
    """Parameters of virtual adversarial training."""

    epsilon: float = Field(default=0.3, ge=0)
    """Norm of the perturbation of a whole sequence."""
    xi: float = Field(default=0.03, gt=0)
    """Norm of the probe by which the power iteration measures the curvature."""
    power_iterations: int = Field(default=1, ge=1)
    """Number of power iterations (K in the paper)."""
    weight: float = Field(default=1.0, ge=0)
    """Weight of the divergence (alpha in the paper)."""
    relative: bool = True
    """Whether `epsilon` and `xi` are multiples of the median norm of the student's word embeddings."""


class VAT(Perturbation[VATParams]):
    """``kd + weight * D(p, q(r))``, p the answer on the clean text taken as given, q at the worst shift r.

    Miyato et al. 2018, equations 5 and 6 and algorithm 1; D is the study's divergence. The worst direction is the
    dominant eigenvector of the divergence's Hessian, found by power iteration from a random direction. All passes
    run in float32 and share their dropout masks.
    """

    name = "vat"
    summary = "Word embeddings shifted to where the student's own answer changes most."
    level = "embedding"
    version = "1"
    search = {"epsilon": Range(0.1, 1.0, log=True), "weight": Range(0.1, 10.0, log=True)}
    citation = (
        "Miyato et al. 2018, Virtual Adversarial Training: A Regularization Method for Supervised and "
        "Semi-Supervised Learning, IEEE TPAMI 41(8), arXiv 1704.03976"
    )

    def __init__(self, params: VATParams, context: Context) -> None:
        super().__init__(params, context)
        self._unit = context.word_embeddings.median_norm if params.relative else 1.0

    def views(self, batch: Batch, models: Models) -> Views:
        """The clean view with the whole weight of labels and teacher, then the shifted one against its answer."""
        view = replace(batch.clean, precise=True)
        seen = yield view

        def term(logits: Tensor) -> Tensor:
            distance = models.divergence(logits, seen.student)
            self.context.report("smoothness", distance.sum(), len(batch))
            return self.params.weight * distance

        worst = self._direction(batch, view, seen.student, models)
        yield Joint((unlabeled(view, self.params.epsilon * self._unit * worst),), term=term)

    def _direction(self, batch: Batch, view: View, clean: Tensor, models: Models) -> Tensor:
        """Unit shifts [B, L, width] along which the answer moves away from `clean` [B, C] fastest."""
        found = direction(gaussian(self.context, batch, "vat"), "l2")
        for _ in range(self.params.power_iterations):
            probe = self.params.xi * self._unit * found
            grad = slope(models, view, probe, lambda logits: models.divergence(logits, clean))
            found = direction(grad, "l2")
        return found


@hookimpl
def matekd_bench_methods() -> Iterator[type[VAT]]:
    """Announce the method."""
    yield VAT
