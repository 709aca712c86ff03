"""`r3f`: the student must give the same output with and without tiny noise on its word embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from matekd_bench import Batch, Joint, Models, Params, Perturbation, Range, Views, hookimpl
from matekd_plugins.embeddings import answer_distance, gaussian, uniform, unlabeled

if TYPE_CHECKING:
    from torch import Tensor


class R3FParams(Params):
    """Parameters of `r3f`."""

    noise: Literal["uniform", "normal"] = "uniform"
    """Distribution of the noise: U(-epsilon, epsilon) or N(0, epsilon^2)."""
    epsilon: float = Field(default=1e-5, ge=0)
    """Range or standard deviation of the noise, in units of the embeddings."""
    weight: float = Field(default=1.0, ge=0)
    """Weight of the symmetric divergence between the two outputs (lambda in the paper)."""


class R3F(Perturbation[R3FParams]):
    """R3F: ``kd + weight * (KL(p || q) + KL(q || p))``, p on clean and q on noised embeddings.

    Source: Aghajanyan et al. 2021. R4F's spectral normalization of the head is not part of it.
    """

    name = "r3f"
    summary = "Tiny noise on the word embeddings, which must not change the student's output."
    level = "embedding"
    version = "1"
    search = {"weight": Range(0.1, 10.0, log=True)}
    citation = (
        "Aghajanyan et al. 2021, Better Fine-Tuning by Reducing Representational Collapse, ICLR, "
        "arXiv 2008.03156"
    )

    def views(self, batch: Batch, models: Models) -> Views:
        """Yield the clean view with the full weight of labels and teacher, joined with the noised view."""
        distance_between = answer_distance(self.context)

        def term(clean: Tensor, noised: Tensor) -> Tensor:
            distance = distance_between(clean, noised)
            self.context.report("smoothness", distance.sum(), len(batch))
            return self.params.weight * distance

        # float32 whatever the study's precision: bfloat16 would round the noise away.
        view = replace(batch.clean, precise=True)
        draw = uniform if self.params.noise == "uniform" else gaussian
        shift = self.params.epsilon * draw(self.context, batch, "r3f")
        # Deviation from the public code: both views have dropout number 0 and so share their masks. With masks of its
        # own the second pass would mostly measure dropout. Padding gets no noise.
        yield Joint((view, unlabeled(view, shift)), term=term)


@hookimpl
def matekd_bench_methods() -> Iterator[type[R3F]]:
    """Announce the method."""
    yield R3F
