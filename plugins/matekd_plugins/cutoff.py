"""`cutoff`: the student trains on inputs from which tokens, a span of tokens or features are erased."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from matekd_bench import (
    Batch,
    Choice,
    Context,
    Joint,
    Models,
    Params,
    Perturbation,
    Range,
    View,
    Views,
    hookimpl,
)

if TYPE_CHECKING:
    from torch import Tensor


class CutoffParams(Params):
    """Parameters of `cutoff`."""

    kind: Literal["token", "span", "feature"] = "token"
    """Part that is erased: single tokens, a span of neighboring tokens, or coordinates of the word embeddings."""
    ratio: float = Field(default=0.1, gt=0, lt=1)
    """Share of the tokens or features that is erased, rounded down, at least one."""
    consistency: float = Field(default=0.0, ge=0)
    """Weight of the Jensen-Shannon divergence between the student's outputs on the whole input and on the cut one."""


class Cutoff(Perturbation[CutoffParams]):
    """Cutoff: ``(CE(x) + D(x) + D(x')) / 3 + consistency * JS``, x' the input with a part erased (Shen et al. 2020).

    Erased tokens are hidden from attention, so that neither their words nor their positions reach the output.
    """

    name = "cutoff"
    summary = "Tokens, a span of tokens or features erased; the teacher relabels the result."
    level = "embedding"
    version = "1"
    needs = frozenset({"one-vocabulary"})
    search = {"ratio": Range(0.03, 0.3, log=True), "consistency": Choice((0.0, 0.5, 1.0))}
    citation = (
        "Shen et al. 2020, A Simple but Tough-to-Beat Data Augmentation Approach for Natural Language "
        "Understanding and Generation, arXiv 2009.13818"
    )

    @classmethod
    def perturbed_rows(
        cls, params: CutoffParams, rows: Mapping[str, tuple[str, ...]]
    ) -> Sequence[tuple[str, ...]] | None:
        """Return no rows if only features are cut, since the teacher does not see that cut."""
        return () if params.kind == "feature" else None

    def views(self, batch: Batch, models: Models) -> Views:
        """Yield the clean view and the cut view, with the consistency term if it has a weight."""
        views = (batch.clean.weighted(gold=1.0, soft=0.5), self._cut_view(batch))
        # Deviation from the paper, whose script has weight 1 here: 0 by default, since methods share one objective.
        yield Joint(views, self._consistency_term(batch)) if self.params.consistency else views

    def _cut_view(self, batch: Batch) -> View:
        """Make the view with a part erased."""
        # Deviation from the paper, whose script gives the cut text the gold label with weight 1: here only the
        # teacher labels it.
        view = replace(batch.clean, labels=None, gold=0.0, soft=0.5, dropout=1)
        if self.params.kind == "feature":
            # The features are the student's own, so the target stays the teacher's output on the whole text.
            return replace(
                view, embed=without_features(batch, chosen_features(self.context, batch, self.params.ratio))
            )
        choose = chosen_tokens if self.params.kind == "token" else chosen_span
        cut = choose(self.context, batch, self.params.ratio)
        self.context.report("tokens_changed", cut.sum(), (~batch.special).sum())
        self.context.report("texts_unchanged", (~cut.any(dim=1)).sum(), len(batch))
        # teacher="same": the teacher reads the same cut text.
        return replace(view, mask=batch.mask.masked_fill(cut, 0), teacher="same")

    def _consistency_term(self, batch: Batch) -> Callable[..., Tensor]:
        """Return the weighted Jensen-Shannon divergence between the student's outputs on both views."""
        regression = self.context.task.kind == "regression"

        def term(whole: Tensor, cut: Tensor) -> Tensor:
            # A quarter of the squared difference is JS with squared error in place of KL.
            distance = (whole - cut).square().mean(dim=-1) / 4 if regression else jensen_shannon(whole, cut)
            self.context.report("consistency", distance.sum(), len(batch))
            return self.params.consistency * distance

        return term


def cut_count(count: Tensor, ratio: float) -> Tensor:
    """Count the tokens to erase out of `count`: the ratio rounded down, at least one if there is any."""
    # Deviation from the public code, which erases nothing if the share rounds to zero.
    return (count * ratio).long().clamp(min=1).minimum(count)


def chosen_tokens(context: Context, batch: Batch, ratio: float) -> Tensor:
    """Draw the erased tokens [B, L] of each example, without replacement; never special tokens or padding."""
    # Deviation from the public code, which draws with replacement and may erase special tokens.
    noise = context.draw(batch, "cutoff").masked_fill(batch.special, 2.0)  # above all draws, so ranked last
    rank = noise.argsort(dim=1, stable=True).argsort(dim=1)
    return rank < cut_count((~batch.special).sum(dim=1, keepdim=True), ratio)


def chosen_span(context: Context, batch: Batch, ratio: float) -> Tensor:
    """Draw the erased span [B, L] of each example; it may cross the separator of a pair."""
    counts = (~batch.special).sum(dim=1, keepdim=True)
    length = cut_count(counts, ratio)
    last_start = counts - length
    # minimum: the float32 product may round up to last_start + 1
    start = (context.draw(batch, "cutoff")[:, :1] * (last_start + 1)).long().minimum(last_start)
    index = (~batch.special).cumsum(dim=1) - 1  # a token's number among those that may be erased
    return ~batch.special & (index >= start) & (index < start + length)


def chosen_features(context: Context, batch: Batch, ratio: float) -> Tensor:
    """Draw the erased coordinates [B, width] of each example's word embeddings, the same at all its tokens."""
    width = context.word_embeddings.width
    # One position per example, so that all its tokens share one draw [width].
    first = (batch.mask == 1) & (batch.mask.cumsum(dim=1) == 1)
    rank = context.draw(batch, "cutoff", width=width, at=first).argsort(dim=1, stable=True).argsort(dim=1)
    return rank < max(1, int(width * ratio))


def without_features(batch: Batch, cut: Tensor) -> Callable[[Any], Tensor]:
    """Return a function from an embedding table to embeddings [B, L, width], zero at the features `cut` [B, width]."""

    def embed(table: Any) -> Tensor:
        # Deviation from the public code, which erases after the embedding layer's norm: here before position, type
        # and norm.
        embedded: Tensor = table(batch.ids)
        return embedded.masked_fill(cut.unsqueeze(1), 0.0)

    return embed


def jensen_shannon(first: Tensor, second: Tensor) -> Tensor:
    """Compute ``(KL(p || m) + KL(q || m)) / 2`` per example [B] from two sets of logits [B, C].

    p and q are their softmaxes, m is the mean of p and q.
    """
    log_p, log_q = first.log_softmax(dim=-1), second.log_softmax(dim=-1)
    log_m = log_p.logaddexp(log_q) - log_p.new_tensor(2.0).log()
    return ((log_p.exp() * (log_p - log_m) + log_q.exp() * (log_q - log_m)) / 2).sum(dim=-1)


@hookimpl
def matekd_bench_methods() -> Iterator[type[Cutoff]]:
    """Announce the method."""
    yield Cutoff
