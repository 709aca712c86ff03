"""`r3f`: the student must answer alike with and without tiny noise on its word embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from matekd_bench import Batch, Joint, Models, Params, Perturbation, Range, Views, hookimpl
from matekd_plugins.embeddings import answers_apart, gaussian, uniform, unlabeled

if TYPE_CHECKING:
    from torch import Tensor


class R3FParams(Params):
    """Parameters of R3F."""

    noise: Literal["uniform", "normal"] = "uniform"
    """Distribution of the noise: U(-epsilon, epsilon) or N(0, epsilon^2)."""
    epsilon: float = Field(default=1e-5, ge=0)
    """Range or standard deviation of the noise, in units of the embeddings."""
    weight: float = Field(default=1.0, ge=0)
    """Weight of the symmetric divergence between the two answers (lambda in the paper)."""


class R3F(Perturbation[R3FParams]):
    """``kd + weight * (KL(p || q) + KL(q || p))``, p on the clean and q on the noised embeddings.

    Aghajanyan et al. 2021, their R3F. Both passes run in float32 and share their dropout masks: what the term
    measures is the noise alone.
    """

    name = "r3f"
    summary = "Tiny noise on the word embeddings, one answer with and without it."
    level = "embedding"
    version = "1"
    search = {"weight": Range(0.1, 10.0, log=True)}
    citation = (
        "Aghajanyan et al. 2021, Better Fine-Tuning by Reducing Representational Collapse, ICLR, "
        "arXiv 2008.03156"
    )

    def views(self, batch: Batch, models: Models) -> Views:
        """The clean view with the whole weight of labels and teacher, and the noised one in the common term."""
        apart = answers_apart(self.context)

        def term(clean: Tensor, noised: Tensor) -> Tensor:
            distance = apart(clean, noised)
            self.context.report("smoothness", distance.sum(), len(batch))
            return self.params.weight * distance

        view = replace(batch.clean, precise=True)
        draw = uniform if self.params.noise == "uniform" else gaussian
        shift = self.params.epsilon * draw(self.context, batch, "r3f")
        yield Joint((view, unlabeled(view, shift)), term=term)


@hookimpl
def matekd_bench_methods() -> Iterator[type[R3F]]:
    """Announce the method."""
    yield R3F
