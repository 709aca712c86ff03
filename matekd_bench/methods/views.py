"""View, Joint, Seen and Batch: the types that a method and the trainer exchange in an update."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Union

from matekd_bench.spelling import kind_in_words

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Embedding

SoftTarget = Union["View", "Tensor", Literal["clean", "same"], None]


@dataclass(frozen=True, eq=False)
class View:
    """One version of a batch's inputs, with the student's targets on it.

    Shapes: B rows, L positions, C outputs.

    - `ids`, `mask` and `types` are [B, L]; the ids are the student tokenizer's.
    - `embed` replaces the look-up of word embeddings. Called with a model's embedding table it returns [B, L, width].
      The same function serves student and teacher.
    - `shift` [B, L, width] is added to the student's word embeddings, before position, type and layer norm. If it
      requires a gradient, `shift.grad` holds after the pass, row by row, the gradient of that row's own weighted loss,
      not divided by the number of examples.
    - `teacher` is the soft target: "clean" for the teacher's cached logits of the unperturbed input, "same" for the
      teacher on this view, another view, logits [B, C], or None.
    - `labels` are class ids [B], distributions [B, C] or floats [B].
    - `gold` and `soft` are this view's shares of the study's weights for the gold labels and for the teacher. Over the
      views of one update each sums to 1 in methods that follow the common objective.
    - Views with the same `dropout` number use the same dropout masks.
    - `precise` runs the student in float32 on this view even if the study runs in half precision, for perturbations
      too small to survive its rounding.
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

    def __post_init__(self) -> None:
        """Raise TypeError, at the line of the method that makes the view, for an input that is no tensor."""
        from torch import Tensor  # this module is also imported without torch

        for name in ("ids", "mask", "types", "shift", "labels"):
            value = getattr(self, name)
            if not isinstance(value, Tensor) and (value is not None or name in ("ids", "mask")):
                raise TypeError(f"'{name}' of a view is {kind_in_words(value)}, not a torch.Tensor")

    def weighted(self, *, gold: float, soft: float) -> View:
        """Return this view with other shares of the two loss terms."""
        return replace(self, gold=gold, soft=soft)

    def shifted(self, shift: Tensor, weight: float = 1.0) -> View:
        """Return this view with `shift` [B, L, width] on its word embeddings and both shares times `weight`."""
        return replace(self, shift=shift, gold=self.gold * weight, soft=self.soft * weight)


@dataclass(frozen=True, eq=False)
class Joint:
    """Several views with one common loss term.

    `term` is called with the student's logits [B, C] of each view, in order. It returns one loss per example [B],
    which is added to the views' own losses.
    """

    views: tuple[View, ...]
    term: Callable[..., Tensor] | None = None


@dataclass(frozen=True, eq=False)
class Seen:
    """The trainer's results on the last view: detached logits [B, C] and the loss per example [B].

    For a tuple of views or a `Joint`, `student` and `teacher` are tuples in the same order. `teacher` is None for a
    view without a soft target.
    """

    student: Any
    teacher: Any
    loss: Tensor


@dataclass(frozen=True, eq=False)
class Batch:
    """The rows of one update, or a piece of them (a micro-batch), on the device.

    - `uids` are the example ids; `lengths` are the rows' token counts without padding.
    - `ids`, `mask` and `types` are [B, L].
    - `special` [B, L] is true at special tokens and padding, which must not be perturbed.
    - `labels` are the gold labels: class ids, or scores of a regression. Rows without a label have the class id -100
      (the `ignore_index` of torch's cross-entropy) or the score NaN; their gold loss is 0.
    - `teacher_logits` [B, C] are the teacher's cached logits of the clean input.
    - `update` counts from 0 within a phase. `epoch` is that of the data stream. `phase` is "student", or "own" in an
      auxiliary update.
    - `total` is the number of examples of the whole update, `offset` this piece's first row in it, and `parent` the
      whole batch (None if this is the whole).
    - `prepared` is the return value of the method's :meth:`Perturbation.ahead`, one entry per row.
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
        """The batch of all rows of the update, for methods that mix examples."""
        return self if self.parent is None else self.parent

    @property
    def clean(self) -> View:
        """The view of the unperturbed input, with gold labels and the teacher's cached logits, both shares 1."""
        return View(ids=self.ids, mask=self.mask, types=self.types, labels=self.labels)

    def rows(self, start: int, stop: int) -> Batch:
        """Return rows `start` to `stop` as a piece of the update."""
        piece = slice(start, stop)
        return replace(
            self,
            uids=self.uids[piece],
            lengths=self.lengths[piece],
            ids=self.ids[piece],
            mask=self.mask[piece],
            special=self.special[piece],
            types=None if self.types is None else self.types[piece],
            labels=self.labels[piece],
            teacher_logits=None if self.teacher_logits is None else self.teacher_logits[piece],
            offset=self.offset + start,
            prepared=None if self.prepared is None else self.prepared[piece],
            parent=self.whole,
        )
