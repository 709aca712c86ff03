"""`cutoff`: part of the input is erased, tokens, a span of them or features, and the student still has to answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    """Parameters of cutoff."""

    kind: Literal["token", "span", "feature"] = "token"
    """What is erased: single tokens, neighboring ones, or coordinates of the word embeddings."""
    ratio: float = Field(default=0.1, gt=0, lt=1)
    """Share of the tokens or features that is erased, rounded down, at least one."""
    consistency: float = Field(default=0.0, ge=0)
    """Weight of the Jensen-Shannon divergence between the student's answers on the whole and on the cut input."""


class Cutoff(Perturbation[CutoffParams]):
    """``(CE(x) + D(x) + D(x')) / 3 + consistency * JS``, x' the input with a part erased (Shen et al. 2020).

    An erased token is one that nobody attends to: nothing of it, its position included, reaches the answer. The
    teacher reads the same cut text. Features are the student's own, so there the target is the teacher's answer on
    the whole text.
    """

    name = "cutoff"
    summary = "Tokens, a span of them or features erased, relabeled by the teacher."
    level = "embedding"
    version = "1"
    needs = frozenset({"one-vocabulary"})
    search = {"ratio": Range(0.03, 0.3, log=True), "consistency": Choice((0.0, 0.5, 1.0))}
    citation = (
        "Shen et al. 2020, A Simple but Tough-to-Beat Data Augmentation Approach for Natural Language "
        "Understanding and Generation, arXiv 2009.13818"
    )

    def views(self, batch: Batch, models: Models) -> Views:
        """The clean view, and the cut one without gold labels."""
        views = (batch.clean.weighted(gold=1.0, soft=0.5), self._cut(batch))
        yield Joint(views, self._term(batch)) if self.params.consistency else views

    def _cut(self, batch: Batch) -> View:
        view = replace(batch.clean, labels=None, gold=0.0, soft=0.5, dropout=1)
        if self.params.kind == "feature":
            return replace(
                view, embed=without_features(batch, chosen_features(self.context, batch, self.params.ratio))
            )
        choose = chosen_tokens if self.params.kind == "token" else chosen_span
        cut = choose(self.context, batch, self.params.ratio)
        self.context.report("tokens_changed", cut.sum(), (~batch.special).sum())
        self.context.report("texts_unchanged", (~cut.any(dim=1)).sum(), len(batch))
        return replace(view, mask=batch.mask.masked_fill(cut, 0), teacher="same")

    def _term(self, batch: Batch) -> Callable[..., Tensor]:
        regression = self.context.task.kind == "regression"

        def term(whole: Tensor, cut: Tensor) -> Tensor:
            distance = (whole - cut).square().mean(dim=-1) / 4 if regression else jensen_shannon(whole, cut)
            self.context.report("consistency", distance.sum(), len(batch))
            return self.params.consistency * distance

        return term


def share(count: Tensor, ratio: float) -> Tensor:
    """How many of `count` things are cut: the share rounded down, at least one, none of none."""
    return (count * ratio).long().clamp(min=1).minimum(count)


def chosen_tokens(context: Context, batch: Batch, ratio: float) -> Tensor:
    """True [B, L] at each example's erased tokens, drawn without replacement; never special tokens or padding."""
    noise = context.draw(batch, "cutoff").masked_fill(batch.special, 2.0)
    rank = noise.argsort(dim=1, stable=True).argsort(dim=1)
    return rank < share((~batch.special).sum(dim=1, keepdim=True), ratio)


def chosen_span(context: Context, batch: Batch, ratio: float) -> Tensor:
    """True [B, L] at each example's erased run of tokens; a run may reach over the separator of a pair."""
    counts = (~batch.special).sum(dim=1, keepdim=True)
    length = share(counts, ratio)
    room = counts - length
    start = (context.draw(batch, "cutoff")[:, :1] * (room + 1)).long().minimum(room)
    place = (~batch.special).cumsum(dim=1) - 1  # a token's number among those that may be erased
    return ~batch.special & (place >= start) & (place < start + length)


def chosen_features(context: Context, batch: Batch, ratio: float) -> Tensor:
    """True [B, width] at the erased coordinates of each example's word embeddings, the same at all its tokens."""
    width = context.word_embeddings.width
    first = (batch.mask == 1) & (batch.mask.cumsum(dim=1) == 1)
    rank = context.draw(batch, "cutoff", width=width, at=first).argsort(dim=1, stable=True).argsort(dim=1)
    return rank < max(1, int(width * ratio))


def without_features(batch: Batch, cut: Tensor) -> Callable[[Any], Tensor]:
    """A function from an embedding table to [B, L, width], zero at the features that are true in `cut` [B, width]."""

    def embed(table: Any) -> Tensor:
        embedded: Tensor = table(batch.ids)
        return embedded.masked_fill(cut.unsqueeze(1), 0.0)

    return embed


def jensen_shannon(first: Tensor, second: Tensor) -> Tensor:
    """``(KL(p || m) + KL(q || m)) / 2`` per example [B], m the mean of the softmaxes p and q of logits [B, C]."""
    p, q = first.log_softmax(dim=-1), second.log_softmax(dim=-1)
    middle = p.logaddexp(q) - p.new_tensor(2.0).log()
    return ((p.exp() * (p - middle) + q.exp() * (q - middle)) / 2).sum(dim=-1)


@hookimpl
def matekd_bench_methods() -> Iterator[type[Cutoff]]:
    """Announce the method."""
    yield Cutoff
