"""The records of a preview: examples with their versions and answers, and a method's diagnostics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PreviewVersion:
    """One perturbed version of an example, with the answers to it: probabilities by class, or one score.

    `texts` is None if the text does not differ. `shift` is the norm of the embedding shift relative to that of the word
    embeddings; None without a shift. `teacher` is None if the version has no soft target of its own.
    """

    texts: tuple[str, ...] | None
    shift: float | None
    teacher: tuple[float, ...] | None
    student: tuple[float, ...]


@dataclass(frozen=True)
class PreviewExample:
    """One example: the texts that the versions are compared with, its label, the answers to it, its versions."""

    uid: str
    texts: tuple[str, ...]
    label: str
    teacher: tuple[float, ...]
    student: tuple[float, ...]
    versions: tuple[PreviewVersion, ...]


@dataclass(frozen=True)
class MethodPreview:
    """A method's examples, and its diagnostics over all sampled rows.

    Diagnostics that do not apply are None:

    - `changed`: share of changed words, or of changed tokens for a method that does not rewrite text
    - `texts_unchanged`: share of rows whose text did not change
    - `shift`: mean of the versions' shifts
    - `teacher_flip_rate`: share of rows for which the teacher predicts another class than on the clean text
    - `divergence_clean`, `divergence_perturbed`: distance of student and teacher as the study's objective measures
      it, without dropout
    """

    method: str
    level: str
    examples: tuple[PreviewExample, ...]
    diagnostics: Mapping[str, float | None]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preview:
    """The previews of several methods on the same rows, after `updates` updates of training."""

    task: str
    classes: tuple[str, ...]
    rows: int
    updates: int
    methods: tuple[MethodPreview, ...]
