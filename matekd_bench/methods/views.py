"""View, Joint, Seen and Batch: the words in which a method tells the trainer what the student learns from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Union

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Embedding

SoftTarget = Union["View", "Tensor", Literal["clean", "same"], None]


@dataclass(frozen=True, eq=False)
class View:
    """One version of a batch's inputs, with what the student should make of it.

    Shapes: B rows, L positions, C outputs. `ids`, `mask` and `types` are [B, L], ids of the student's tokenizer.
    `embed` replaces the look-up of word embeddings: called with a model's embedding table it returns [B, L, width];
    one function serves student and teacher. `shift` [B, L, width] is added to the student's word embeddings
    (before position, type and layer norm); where it requires a gradient, `shift.grad` holds after the pass, row by
    row, the gradient of that row's own weighted loss, not divided by the number of examples.

    `teacher` is the soft target: "clean" for the teacher's cached logits of the unperturbed input, "same" for the
    teacher on this view, another view, logits [B, C], or None. `labels` are class ids [B], distributions [B, C] or
    floats [B]. `gold` and `soft` are this view's shares of the study's weights for the gold labels and for the
    teacher: over the views of one update each sums to 1 in methods that spend what every method spends. Views with
    the same `dropout` number use the same dropout masks. `precise` runs the student in float32 on this view, also
    where the study runs in half precision: for perturbations too small to survive its rounding.
    """

    ids: Tensor
    mask: Tensor
    types: Tensor | None = None
    embed: Callable[[Embedding], Tensor] | None = None
    shift: Tensor | None = None
    teacher: SoftTarget = "clean"
    labels: Tensor | None = None
    gold: float = 1.0
    soft: float = 1.0
    dropout: int = 0
    precise: bool = False

    def weighted(self, *, gold: float, soft: float) -> View:
        """The same view with other shares of the two loss terms."""
        return replace(self, gold=gold, soft=soft)

    def shifted(self, shift: Tensor, weight: float = 1.0) -> View:
        """The same view with `shift` [B, L, width] on its word embeddings and both shares times `weight`."""
        return replace(self, shift=shift, gold=self.gold * weight, soft=self.soft * weight)


@dataclass(frozen=True, eq=False)
class Joint:
    """Several views in one objective, with an optional common term.

    `term` is called with the student's logits [B, C] of each view, in order, and returns one loss per example [B],
    which is added to the views' own losses.
    """

    views: tuple[View, ...]
    term: Callable[..., Tensor] | None = None


@dataclass(frozen=True, eq=False)
class Seen:
    """What the trainer saw on the last view: detached logits [B, C] and the loss per example [B].

    For a tuple of views or a `Joint`, `student` and `teacher` are tuples in the same order. `teacher` is None where
    no soft target was asked for.
    """

    student: Any
    teacher: Any
    loss: Tensor


@dataclass(frozen=True, eq=False)
class Batch:
    """The rows of one update, or a piece of them, on the device.

    `special` [B, L] is true at special tokens and padding: what must not be perturbed. `teacher_logits` [B, C] are
    the cached logits of the clean input. `update` counts from 0 within a phase; `epoch` is that of the data stream;
    `phase` is "student" or "own". `total` is the number of examples of the whole update and `offset` this piece's
    first row in it; `whole` is the batch of which this is a piece (itself if it is whole). `lengths` are the rows'
    token counts without padding. `prepared` is what the method's :meth:`Perturbation.ahead` returned, one entry a
    row.
    """

    uids: Sequence[str]
    lengths: Sequence[int]
    ids: Tensor
    mask: Tensor
    special: Tensor
    types: Tensor | None
    labels: Tensor
    teacher_logits: Tensor | None
    update: int
    epoch: int
    phase: Literal["student", "own"]
    total: int
    offset: int = 0
    prepared: Sequence[Any] | None = None
    parent: Batch | None = None

    def __len__(self) -> int:
        return len(self.uids)

    @property
    def whole(self) -> Batch:
        """All rows of the update, for methods that mix examples."""
        return self if self.parent is None else self.parent

    @property
    def clean(self) -> View:
        """The unperturbed input with gold labels and the teacher's cached logits, both shares 1."""
        return View(ids=self.ids, mask=self.mask, types=self.types, labels=self.labels)

    def rows(self, start: int, stop: int) -> Batch:
        """Rows `start` to `stop` as a piece that knows its place in the update."""
        cut = slice(start, stop)
        return replace(
            self,
            uids=self.uids[cut],
            lengths=self.lengths[cut],
            ids=self.ids[cut],
            mask=self.mask[cut],
            special=self.special[cut],
            types=None if self.types is None else self.types[cut],
            labels=self.labels[cut],
            teacher_logits=None if self.teacher_logits is None else self.teacher_logits[cut],
            offset=self.offset + start,
            prepared=None if self.prepared is None else self.prepared[cut],
            parent=self.whole,
        )
