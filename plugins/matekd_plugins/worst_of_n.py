"""`worst-of-n`: a wrapper that trains on the one of n perturbed texts on which student and teacher differ most."""

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
    """Parameters of `worst-of-n`."""

    n: int = Field(default=4, ge=1, le=64)
    """Texts drawn for each one that is kept; with 1 this is the wrapped method alone."""


class WorstOfN(TextPerturbation[WorstOfNParams]):
    """The maximization step of MiniMax-kNN and Glitter over texts that another method draws.

    Per example, ``x' = argmax over the draws of D(T(x'_j), S(x'_j))``, and the objective is that of every text method.
    A wrapped method with several views gives as many views here, each the worst of its own `n` draws.

    Deviations from both papers: candidates are fresh draws of the wrapped method each epoch, not retrieved from a
    corpus or a fixed pool. One of each n is kept, never more. The loss is the suite's.
    """

    def __init__(self, params: WorstOfNParams, context: Context, inner: Perturbation[Any]) -> None:
        super().__init__(params, context)
        if not isinstance(inner, TextPerturbation):
            raise PluginError(
                f"method 'worst-of-n' needs a TextPerturbation to draw from, not '{type(inner).__name__}'."
            )
        self._inner = inner
        self.notices = inner.notices
        self.variants = inner.variants  # number of views: the wrapped method draws n texts for each
        inner.variants *= params.n

    def perturbed(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """Return the segments that the wrapped method perturbs."""
        return self._inner.perturbed(texts)

    def prepare(self, texts: Sequence[str]) -> None:
        """Prepare the wrapped method."""
        self._inner.prepare(texts)

    def warm_up(self, batches: Iterable[Batch], models: Models) -> None:
        """Warm up the wrapped method."""
        self._inner.warm_up(batches, models)

    def perturb(self, text: str, rng: random.Random) -> str:
        """Draw one text from the wrapped method."""
        return self._inner.perturb(text, rng)

    def rewrite(self, row: Row, variant: int) -> tuple[str, ...]:
        """Draw one version of a row from the wrapped method, without a search for the worst."""
        return self._inner.rewrite(row, variant)

    def ahead(self, rows: Sequence[Row]) -> Sequence[Any]:
        """Draw and encode the texts of all views for each row; the `n` draws of a view are adjacent."""
        return self._inner.ahead(rows)

    def state_dict(self) -> dict[str, Any]:
        """Return the wrapped method's state."""
        return self._inner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the wrapped method's state."""
        self._inner.load_state_dict(state)

    def diagnostics(self) -> dict[str, float]:
        """Return the wrapped method's diagnostics."""
        return self._inner.diagnostics()

    def views(self, batch: Batch, models: Models) -> Views:
        """Yield the clean view, then the worst draws: ``(CE(x) + D(x) + mean_j D(x'_j)) / 3``."""
        yield batch.clean.weighted(gold=1.0, soft=0.5)
        n = self.params.n
        for variant in range(self.variants):
            draws = [row[variant * n : (variant + 1) * n] for row in batch.prepared or ()]
            view = self._worst_view(draws, variant + 1, models)
            yield view.weighted(gold=0.0, soft=0.5 / self.variants)

    def _worst_view(self, draws: Sequence[Sequence[Perturbed]], dropout: int, models: Models) -> View:
        """Make the view of each row's worst draw; its soft target is the teacher's logits from the search."""
        import torch

        if self.params.n == 1:  # nothing to search: the wrapped method, bit for bit
            return self._collate([row[0] for row in draws], dropout)
        scores = [_score(self.context.collate(column), models) for column in zip(*draws, strict=True)]
        divergences = torch.stack([divergence for divergence, _ in scores])  # [n, B]
        logits = torch.stack([teacher for _, teacher in scores])  # [n, B, C]
        n, rows = divergences.shape
        self.context.report("divergence_drawn", divergences.sum(), n * rows)
        self.context.report("divergence_worst", divergences.amax(dim=0).sum(), rows)
        worst = divergences.argmax(dim=0)
        view = self._collate([row[index] for row, index in zip(draws, worst.tolist(), strict=True)], dropout)
        return replace(view, teacher=logits[worst, torch.arange(rows, device=worst.device)])

    def _collate(self, rows: Sequence[Perturbed], dropout: int) -> View:
        """Make the view of the chosen draws and report their edits."""
        self._report_edits(rows)
        return self.context.collate(rows, dropout)


def _score(view: View, models: Models) -> tuple[Tensor, Tensor]:
    """Compute D per example [B] between teacher and student on a view, and the teacher's logits [B, C].

    Both models are in eval mode and get no gradients.
    """
    import torch

    with torch.no_grad():
        # With another tokenizer the teacher reads its own encoding of the same text, which is then a view.
        teacher = models.teacher_logits(view.teacher if isinstance(view.teacher, View) else view)
        student = models.student_logits(view, train=False)
        return models.divergence(student, teacher), teacher


@hookimpl
def matekd_bench_methods() -> Iterator[Method]:
    """Announce the method."""
    yield Method(
        name="worst-of-n",
        summary="Of n texts that another method draws, the one on which student and teacher differ most.",
        params=WorstOfNParams,
        factory=WorstOfN,
        level="text",
        version="1",
        wraps="text",
        citation="Kamalloo et al., Findings of ACL-IJCNLP 2021, arXiv:2105.13608 (MiniMax-kNN); "
        "Kamalloo, Rezagholizadeh and Ghodsi, Findings of ACL 2022, pages 1048-1062 (Glitter)",
    )
