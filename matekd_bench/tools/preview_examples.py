"""What a preview shows: examples with their versions and answers, and the diagnostics of a method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PreviewVersion:
    """One perturbed version of an example, with the answers to it: probabilities by class, or one score.

    `texts` are None where nothing in the text differs. `shift` is the norm of what was added to the word embeddings,
    relative to theirs; None where nothing was. `teacher` is None where the version has no soft target of its own.
    """

    texts: tuple[str, ...] | None
    shift: float | None
    teacher: tuple[float, ...] | None
    student: tuple[float, ...]


@dataclass(frozen=True)
class PreviewExample:
    """One example: its texts as the versions are compared with them, its label, the answers to it, its versions."""

    uid: str
    texts: tuple[str, ...]
    label: str
    teacher: tuple[float, ...]
    student: tuple[float, ...]
    versions: tuple[PreviewVersion, ...]


@dataclass(frozen=True)
class MethodPreview:
    """A method's examples, and its diagnostics over all sampled rows; None where one does not apply.

    `changed` is the share of words that a method which rewrites text changed, of tokens for others; `texts_unchanged`
    the share of rows left as they were; `shift` the mean of the versions' shifts; `teacher_flip_rate` the share of
    rows for which the teacher names another class; the divergences are the study's, without dropout.
    """

    method: str
    level: str
    examples: tuple[PreviewExample, ...]
    diagnostics: Mapping[str, float | None]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preview:
    """The previews of several methods on the same rows; `updates` of training came before."""

    task: str
    classes: tuple[str, ...]
    rows: int
    updates: int
    methods: tuple[MethodPreview, ...]
