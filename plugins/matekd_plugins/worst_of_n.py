"""`worst-of-n`: of several texts that another method draws, the one where student and teacher differ most."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import Field

from matekd_bench import Method, PluginError, TextPerturbation, View, WrapperParams, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from matekd_bench import Batch, Context, Models, Perturbation, Perturbed, Row, Views


class WorstOfNParams(WrapperParams):
    """The parameters of `worst-of-n`."""

    n: int = Field(default=4, ge=1, le=64)
    """Texts drawn for each one that is kept; with 1 this is the wrapped method."""


class WorstOfN(TextPerturbation[WorstOfNParams]):
    """The wrapped method's views, each the worst of `n` draws: MiniMax-kNN's and Glitter's maximization step.

    Per example, x' = argmax over the draws of D(T(x'_j), S(x'_j)), the student in eval mode; then the objective of
    every text method. A method that gives several views gives as many here, each the worst of its own n draws.
    """

    def __init__(self, params: WorstOfNParams, context: Context, inner: Perturbation[Any]) -> None:
        super().__init__(params, context)
        if not isinstance(inner, TextPerturbation):
            raise PluginError(
                f"method 'worst-of-n' draws from a TextPerturbation, and '{type(inner).__name__}' is none."
            )
        self._inner = inner
        self.notices = inner.notices
        self.variants = inner.variants  # views; the inner method draws n for each
        inner.variants *= params.n

    def prepare(self, texts: Sequence[str]) -> None:
        """As the wrapped method does."""
        self._inner.prepare(texts)

    def warm_up(self, batches: Iterable[Batch], models: Models) -> None:
        """As the wrapped method does."""
        self._inner.warm_up(batches, models)

    def perturb(self, text: str, rng: random.Random) -> str:
        """One draw of the wrapped method."""
        return self._inner.perturb(text, rng)

    def rewrite(self, row: Row, variant: int) -> tuple[str, ...]:
        """One draw of the wrapped method: views do not meet here, so none is the worst."""
        return self._inner.rewrite(row, variant)

    def ahead(self, rows: Sequence[Row]) -> Sequence[Any]:
        """For each row the draws of all views, those of one view side by side."""
        return self._inner.ahead(rows)

    def state_dict(self) -> dict[str, Any]:
        """What the wrapped method must remember."""
        return self._inner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """As the wrapped method does."""
        self._inner.load_state_dict(state)

    def diagnostics(self) -> dict[str, float]:
        """What the wrapped method says of itself."""
        return self._inner.diagnostics()

    def views(self, batch: Batch, models: Models) -> Views:
        """The clean view, then the worst draws, which the teacher labels: (CE(x) + D(x) + mean_j D(x'_j)) / 3."""
        yield batch.clean.weighted(gold=1.0, soft=0.5)
        n = self.params.n
        for kept in range(self.variants):
            draws = [row[kept * n : (kept + 1) * n] for row in batch.prepared or ()]
            view = self._worst(draws, kept + 1, models)
            yield view.weighted(gold=0.0, soft=0.5 / self.variants)

    def _worst(self, draws: Sequence[Sequence[Perturbed]], dropout: int, models: Models) -> View:
        """The view of each row's worst draw; the teacher's logits are those of the scoring."""
        import torch

        if self.params.n == 1:
            return self._view([row[0] for row in draws], dropout)
        scores = [_score(self.context.collate(column), models) for column in zip(*draws, strict=True)]
        divergences = torch.stack([divergence for divergence, _ in scores])  # [n, B]
        logits = torch.stack([teacher for _, teacher in scores])  # [n, B, C]
        n, rows = divergences.shape
        self.context.report("divergence_drawn", divergences.sum(), n * rows)
        self.context.report("divergence_worst", divergences.amax(dim=0).sum(), rows)
        worst = divergences.argmax(dim=0)
        view = self._view([row[at] for row, at in zip(draws, worst.tolist(), strict=True)], dropout)
        return replace(view, teacher=logits[worst, torch.arange(rows, device=worst.device)])

    def _view(self, rows: Sequence[Perturbed], dropout: int) -> View:
        self._report(rows)
        return self.context.collate(rows, dropout)


def _score(view: View, models: Models) -> tuple[Tensor, Tensor]:
    """D per example [B] between teacher and student on a view, without dropout, and the teacher's logits [B, C]."""
    import torch

    with torch.no_grad():
        teacher = models.teacher_logits(view.teacher if isinstance(view.teacher, View) else view)
        student = models.student_logits(view, train=False)
        return models.divergence(student, teacher), teacher


@hookimpl
def matekd_bench_methods() -> Iterator[Method]:
    """Announces the method."""
    yield Method(
        name="worst-of-n",
        summary="Of n texts that another method draws, the one where student and teacher differ most.",
        params=WorstOfNParams,
        factory=WorstOfN,
        level="text",
        version="1",
        wraps="text",
        citation="Kamalloo et al., Findings of ACL-IJCNLP 2021, arXiv:2105.13608 (MiniMax-kNN); "
        "Kamalloo, Rezagholizadeh and Ghodsi, Findings of ACL 2022, pages 1048-1062 (Glitter)",
    )
