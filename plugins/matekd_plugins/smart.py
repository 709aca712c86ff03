"""`smart`: the student must answer alike within a tiny ball around its word embeddings, where it differs most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from matekd_bench import Batch, Joint, Models, Params, Perturbation, Range, View, Views, hookimpl
from matekd_plugins.embeddings import answers_apart, direction, gaussian, slope, unlabeled

if TYPE_CHECKING:
    from torch import Tensor


class SmartParams(Params):
    """Parameters of SMART's smoothness-inducing regularization."""

    epsilon: float = Field(default=1e-5, ge=0)
    """Radius of the ball: bound on the largest coordinate of the perturbation."""
    sigma: float = Field(default=1e-5, gt=0)
    """Standard deviation of the first perturbation."""
    step_size: float = Field(default=1e-3, ge=0)
    """Length of an ascent step (eta in the paper), before projection."""
    steps: int = Field(default=1, ge=1)
    """Number of ascent steps."""
    weight: float = Field(default=1.0, ge=0)
    """Weight of the symmetric divergence between the two answers (lambda_s in the paper)."""


class Smart(Perturbation[SmartParams]):
    """``kd + weight * max over the ball of (KL(p || q) + KL(q || p))`` (Jiang et al. 2020).

    The maximum is sought as in their algorithm 1: noise, then ``Pi(delta + step_size * g / ||g||_inf)``, Pi the
    projection on the ball. All passes run in float32 and share their dropout masks.
    """

    name = "smart"
    summary = "One answer within a tiny ball around the word embeddings, at its worst point."
    level = "embedding"
    version = "1"
    search = {"weight": Range(0.1, 10.0, log=True)}
    citation = (
        "Jiang et al. 2020, SMART: Robust and Efficient Fine-Tuning for Pre-trained Natural Language Models "
        "through Principled Regularized Optimization, ACL, arXiv 1911.03437"
    )

    def views(self, batch: Batch, models: Models) -> Views:
        """The clean view with the whole weight of labels and teacher, and the worst one in the common term."""
        apart = answers_apart(self.context)

        def term(clean: Tensor, perturbed: Tensor) -> Tensor:
            distance = apart(clean, perturbed)
            self.context.report("smoothness", distance.sum(), len(batch))
            return self.params.weight * distance

        view = replace(batch.clean, precise=True)
        yield Joint((view, unlabeled(view, self._worst(batch, view, models))), term=term)

    def _worst(self, batch: Batch, view: View, models: Models) -> Tensor:
        """The perturbation [B, L, width] after the ascent."""
        import torch

        apart = answers_apart(self.context)
        with torch.no_grad():
            clean = models.student_logits(view)
        shift = self.params.sigma * gaussian(self.context, batch, "smart")
        for _ in range(self.params.steps):
            grad = slope(models, view, shift, lambda logits: apart(clean, logits))
            shift = shift + self.params.step_size * direction(grad, "linf")
            shift = shift.clamp(-self.params.epsilon, self.params.epsilon)
        return shift


@hookimpl
def matekd_bench_methods() -> Iterator[type[Smart]]:
    """Announce the method."""
    yield Smart
