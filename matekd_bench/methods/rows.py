"""What a method is given of the training rows: cycles of updates, rows of text, encodings and perturbed rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Cycle:
    """How auxiliary updates, in which a method trains its own module, alternate with the student's.

    Before every `student` updates of the student come `auxiliary` ones. `stream="auxiliary"` draws their batches from
    a stream of their own, so that the student sees the same batches as under every other method; "student" lets them
    use up the student's.
    """

    auxiliary: int
    student: int
    stream: Literal["auxiliary", "student"] = "auxiliary"


@dataclass(frozen=True)
class Row:
    """One training example as :meth:`Perturbation.ahead` sees it, with one or two segments of text."""

    uid: str
    texts: tuple[str, ...]
    epoch: int
    seed: Callable[[str], int]  # purpose -> seed for this example in this epoch


@dataclass(frozen=True)
class Encoded:
    """Token ids, token types and special-token flags of one text or pair, unpadded.

    `types` is None where the model has no token types.
    """

    ids: list[int]
    types: list[int] | None
    special: list[bool]


@dataclass(frozen=True)
class Perturbed:
    """One perturbed version of a row: its encoding for the student and, where tokenizers differ, the teacher.

    `edits` of the row's `words` were changed, where that was counted.
    """

    texts: tuple[str, ...]
    student: Encoded
    teacher: Encoded | None
    edits: int = 0
    words: int = 0
