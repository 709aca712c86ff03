"""Types of the training rows that a method reads and makes, and the cycle of its auxiliary updates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Cycle:
    """The alternation of auxiliary updates, in which a method trains its own module, with the student's updates.

    `auxiliary` updates precede every `student` updates of the student. With `stream="auxiliary"` their batches come
    from a separate stream, so that the student sees the same batches as under every other method. With "student" they
    use up the student's batches.
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
    seed: Callable[[str], int]  # maps a purpose to a seed for this example in this epoch


@dataclass(frozen=True)
class Encoded:
    """Token ids, token types and special-token flags of one text or pair, unpadded.

    `types` is None if the model has no token types.
    """

    ids: list[int]
    types: list[int] | None
    special: list[bool]


@dataclass(frozen=True)
class Perturbed:
    """One perturbed version of a row, encoded for the student and, if tokenizers differ, for the teacher.

    `edits` is the number of changed words, `words` the number of words of the row; both are 0 if not counted.
    """

    texts: tuple[str, ...]
    student: Encoded
    teacher: Encoded | None
    edits: int = 0
    words: int = 0
