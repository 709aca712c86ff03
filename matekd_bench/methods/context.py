"""What the core hands to a method: the models, the run's context, and the modules it trains for the method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from matekd_bench.methods.rows import Perturbed
    from matekd_bench.methods.views import Batch, View
    from matekd_bench.tasks.task import Task


class Models(Protocol):
    """Teacher and student as a method may use them; every forward pass is booked in the run's cost."""

    def student_logits(self, *views: View, train: bool = True, precise: bool = False) -> Any:
        """Student logits [B, C] of a view, or a tuple for several; `precise` forces float32 under autocast."""

    def teacher_logits(self, *views: View) -> Any:
        """Teacher logits [B, C] of a view, or a tuple; the teacher is frozen and in eval mode."""

    def clean_logits(self, batch: Batch) -> Tensor:
        """The teacher's logits [B, C] of the clean input: cached for the student's batches."""

    def divergence(self, student: Tensor, teacher: Tensor) -> Tensor:
        """D per example [B]: the study's distance from teacher to student, e.g. KL with temperature."""

    def gold(self, student: Tensor, labels: Tensor) -> Tensor:
        """The loss on gold labels per example [B]."""

    def frozen_student(self) -> AbstractContextManager[None]:
        """Within it no student parameter asks for a gradient. Never `yield` inside it."""


class Trained(Protocol):
    """A module of the method's own, which the trainer clips, checks, steps and saves like the student."""

    module: nn.Module

    def __call__(self, *args: Any, **inputs: Any) -> Any:
        """Calls the module under the run's precision, with dropout seeded for this update and cost booked."""

    def learn(self, loss_per_example: Tensor) -> None:
        """Adds the gradient of the losses [B], divided by the update's examples; the step comes at the update's end."""


@dataclass(frozen=True)
class Tokens:
    """What a method may know of a tokenizer.

    `vocabulary` is the digest of the id-to-token table; equal digests mean interchangeable ids.
    """

    size: int
    mask: int | None
    pad: int
    special: frozenset[int]
    vocabulary: str


@dataclass(frozen=True)
class WordEmbeddings:
    """What a method may know of the student's table of word embeddings, as it is at the start of the run.

    `width` is the length of one embedding (the last dimension of a view's `shift`), `median_norm` the median of the
    L2 norms of the table's rows, `dtype` the table's, in which shifts are best computed.
    """

    width: int
    median_norm: float
    dtype: torch.dtype


class Context(Protocol):
    """The run as a method sees it.

    `gold_weight` and `soft_weight` are the study's weights of the two terms.
    """

    task: Task
    device: torch.device
    gold_weight: float
    soft_weight: float

    @property
    def student_tokens(self) -> Tokens:
        """The student's tokenizer: what `batch.ids` are made of."""

    @property
    def teacher_tokens(self) -> Tokens:
        """The teacher's tokenizer: the student's own where the two share a vocabulary."""

    @property
    def word_embeddings(self) -> WordEmbeddings:
        """The student's word embeddings in numbers, measured once, when first asked for."""

    def draw(self, batch: Batch, purpose: str, width: int | None = None, at: Tensor | None = None) -> Tensor:
        """Uniform noise in [0, 1), float32, drawn per example: [B, L], or [B, L, width] if `width` is given.

        With `at` [B, L] (true at N positions) only those are drawn: [N] or [N, width], row by row. An example's
        noise is the same whatever its padding, batch or piece of a batch: it is keyed by seed, task, `purpose`,
        phase, update and example id. Zero at padding.
        """

    def encode(self, texts: tuple[str, ...]) -> Perturbed:
        """Tokens of a text or pair for the student and, where its tokenizer differs, for the teacher."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids of the student's tokenizer, special tokens left out."""

    def collate(self, rows: Sequence[Perturbed], dropout: int = 1) -> View:
        """A view of perturbed rows, padded and on the device, without gold labels, relabeled by the teacher."""

    def masked_lm(self) -> nn.Module:
        """The study's generator, a masked language model with a trained head; a fresh copy at each call.

        Called as ``module(ids, mask, types, at)`` it returns vocabulary logits [N, V] at the N true positions of
        `at` [B, L], row by row; the vocabulary head is evaluated nowhere else.
        """

    def prepare(
        self,
        module: nn.Module,
        optimizer: Callable[[Any], torch.optim.Optimizer],
        *,
        clip: float | None = None,
        schedule: Callable[[float], float] | None = None,
        name: str = "own",
    ) -> Trained:
        """Hands a module to the trainer; `schedule` maps the share of budget spent to a factor on the rate."""

    def report(self, name: str, total: Tensor | float, count: Tensor | float = 1.0) -> None:
        """Adds to a diagnostic; what is recorded is the sum of totals over the sum of counts."""
