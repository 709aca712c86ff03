"""The interfaces that the core gives to a method: models, the run's context, and modules trained for it."""

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
    """Teacher and student, with forward passes that are booked in the run's cost."""

    def student_logits(self, *views: View, train: bool = True, precise: bool = False) -> Any:
        """Return student logits [B, C] of a view, or a tuple for several views.

        `train` switches dropout on; `precise` forces float32 under autocast.
        """

    def teacher_logits(self, *views: View) -> Any:
        """Return teacher logits [B, C] of a view, or a tuple for several; the teacher is frozen and in eval mode."""

    def clean_logits(self, batch: Batch) -> Tensor:
        """Return the teacher's logits [B, C] of the clean input, from the cache for the student's batches."""

    def divergence(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compute D per example [B], the study's distance from teacher to student, e.g. KL with temperature."""

    def gold(self, student: Tensor, labels: Tensor) -> Tensor:
        """Compute the loss on gold labels per example [B]."""

    def frozen_student(self) -> AbstractContextManager[None]:
        """Return a context in which no student parameter requires a gradient. Never `yield` inside it."""


class Trained(Protocol):
    """A method's own module, which the trainer clips, checks, steps and saves like the student."""

    module: nn.Module

    def __call__(self, *args: Any, **inputs: Any) -> Any:
        """Call the module in the run's precision, with dropout seeded for this update and its cost booked."""

    def learn(self, loss_per_example: Tensor) -> None:
        """Add the gradient of the losses [B], divided by the update's examples; the update's end takes the step."""


@dataclass(frozen=True)
class Tokens:
    """The vocabulary size and special ids of a tokenizer.

    `vocabulary` is the digest of the id-to-token table: equal digests mean interchangeable ids.
    """

    size: int
    mask: int | None
    pad: int
    special: frozenset[int]
    vocabulary: str


@dataclass(frozen=True)
class WordEmbeddings:
    """Measurements of the student's table of word embeddings at the start of the run.

    `width` is the length of one embedding, the last dimension of a view's `shift`. `median_norm` is the median of the
    L2 norms of the table's rows. `dtype` is the table's; compute shifts in it.
    """

    width: int
    median_norm: float
    dtype: torch.dtype


class Context(Protocol):
    """The run that a method takes part in: task, device, tokenizers, randomness and services.

    `gold_weight` and `soft_weight` are the study's weights of the gold labels and of the teacher.
    """

    task: Task
    device: torch.device
    gold_weight: float
    soft_weight: float

    @property
    def student_tokens(self) -> Tokens:
        """The student's tokenizer, which makes `batch.ids`."""

    @property
    def teacher_tokens(self) -> Tokens:
        """The teacher's tokenizer; the student's if the two share a vocabulary."""

    @property
    def word_embeddings(self) -> WordEmbeddings:
        """Measurements of the student's word embeddings, made once on first use."""

    def draw(self, batch: Batch, purpose: str, width: int | None = None, at: Tensor | None = None) -> Tensor:
        """Draw uniform noise in [0, 1) per example, float32: [B, L], or [B, L, width] if `width` is given.

        With `at` [B, L], true at N positions, only those are drawn: [N] or [N, width], row by row. The noise is keyed
        by seed, task, `purpose`, phase, update and example id, so padding and cutting of batches do not change it. It
        is zero at padding.
        """

    def encode(self, texts: tuple[str, ...]) -> Perturbed:
        """Encode a text or pair for the student and, if its tokenizer differs, for the teacher."""

    def decode(self, ids: Sequence[int]) -> str:
        """Decode token ids of the student's tokenizer to text, without special tokens."""

    def collate(self, rows: Sequence[Perturbed], dropout: int = 1) -> View:
        """Make a padded view of perturbed rows on the device, without gold labels and labeled by the teacher."""

    def masked_lm(self) -> nn.Module:
        """Return a fresh copy of the study's generator, a masked language model with a trained head.

        Called as ``module(ids, mask, types, at)`` it returns vocabulary logits [N, V] at the N true positions of
        `at` [B, L], row by row. The vocabulary head runs at these positions only.
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
        """Hand a module to the trainer.

        `optimizer` makes an optimizer from the module's parameters. `clip` bounds the gradient norm. `schedule` maps
        the share of budget spent to a factor on the learning rate. `name` identifies the module in the cost and in
        dropout seeds. The cost counts only modules with attributes `flops` and `book`, as the core's generator has.
        """

    def report(self, name: str, total: Tensor | float, count: Tensor | float = 1.0) -> None:
        """Add to a diagnostic; the record has the sum of totals divided by the sum of counts."""

    def report_values(self, name: str, values: Tensor) -> None:
        """Add values [n] to a diagnostic; the record has their mean and, as `<name>_se`, its standard error."""

    def measurement(self) -> AbstractContextManager[None]:
        """Return a context for passes that only measure: no gradients, and no cost counted."""
