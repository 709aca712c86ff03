"""`smart`: the student must give the same output everywhere in a tiny ball around its word embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from matekd_bench import Batch, Joint, Models, Params, Perturbation, Range, View, Views, hookimpl
from matekd_plugins.embeddings import answer_distance, direction, gaussian, shift_gradient, unlabeled

if TYPE_CHECKING:
    from torch import Tensor


class SmartParams(Params):
    """Parameters of `smart`."""

    epsilon: float = Field(default=1e-5, ge=0)
    """Radius of the ball: bound on the largest coordinate of the perturbation."""
    sigma: float = Field(default=1e-5, gt=0)
    """Standard deviation of the first perturbation."""
    step_size: float = Field(default=1e-3, ge=0)
    """Length of an ascent step (eta in the paper), before projection."""
    steps: int = Field(default=1, ge=1)
    """Number of ascent steps."""
    weight: float = Field(default=1.0, ge=0)
    """Weight of the symmetric divergence between the two outputs (lambda_s in the paper)."""


class Smart(Perturbation[SmartParams]):
    """SMART's regularizer: ``kd + weight * max over the ball of (KL(p || q) + KL(q || p))`` (Jiang et al. 2020).

    The maximum is approximated as in algorithm 1: start from noise, then repeat
    ``Pi(delta + step_size * g / ||g||_inf)``, where Pi projects onto the ball.

    Deviation from the paper: its second half, Bregman proximal point optimization, changes the optimizer and not the
    input; it is left out.
    """

    name = "smart"
    summary = (
        "Trains the student to keep its output at the worst point of a tiny ball around the word embeddings."
    )
    level = "embedding"
    version = "1"
    search = {"weight": Range(0.1, 10.0, log=True)}
    citation = (
        "Jiang et al. 2020, SMART: Robust and Efficient Fine-Tuning for Pre-trained Natural Language Models "
        "through Principled Regularized Optimization, ACL, arXiv 1911.03437"
    )

    def views(self, batch: Batch, models: Models) -> Views:
        """Yield the clean view with the full weight of labels and teacher, joined with the perturbed view."""
        distance_between = answer_distance(self.context)

        def term(clean: Tensor, perturbed: Tensor) -> Tensor:
            distance = distance_between(clean, perturbed)
            self.context.report("smoothness", distance.sum(), len(batch))
            return self.params.weight * distance

        # float32 whatever the study's precision: in bfloat16 the direction of the ascent is lost. All passes have
        # dropout number 0 and so share their masks: the term measures the perturbation alone.
        view = replace(batch.clean, precise=True)
        yield Joint((view, unlabeled(view, self._ascend(batch, view, models))), term=term)

    def _ascend(self, batch: Batch, view: View, models: Models) -> Tensor:
        """Find the perturbation [B, L, width] by gradient ascent from noise."""
        import torch

        distance_between = answer_distance(self.context)
        with torch.no_grad():  # in the ascent the clean output is a constant
            clean = models.student_logits(view)
        shift = self.params.sigma * gaussian(self.context, batch, "smart")
        for _ in range(self.params.steps):
            grad = shift_gradient(models, view, shift, lambda logits: distance_between(clean, logits))
            shift = shift + self.params.step_size * direction(grad, "linf")
            # Projection, as in the paper. The public code divides by the norm instead, which gives coordinates near 1.
            shift = shift.clamp(-self.params.epsilon, self.params.epsilon)
        return shift


@hookimpl
def matekd_bench_methods() -> Iterator[type[Smart]]:
    """Announce the method."""
    yield Smart
