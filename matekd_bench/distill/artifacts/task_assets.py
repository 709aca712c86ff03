"""The assets that the runs on one task share: teacher, encoded data, the teacher's logits and the generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from matekd_bench.distill.artifacts.artifact import Artifact, Recipe
from matekd_bench.distill.artifacts.generator import Generator, WarmedUpGenerator
from matekd_bench.distill.artifacts.given_teacher import (
    check_labels,
    label_order,
    load_given_teacher,
    names_classes,
)
from matekd_bench.distill.artifacts.teacher import CleanLogits, FineTunedTeacher, Teacher
from matekd_bench.distill.data.corpus import Corpus
from matekd_bench.distill.models.score_units import ScoreUnits, score_units
from matekd_bench.distill.models.tokenizers import Encoder
from matekd_bench.distill.training.ddp import ALONE
from matekd_bench.distill.training.frozen_weights import hold_in_precision
from matekd_bench.errors import DataError
from matekd_bench.events import Message, Sink
from matekd_bench.methods.rows import Encoded
from matekd_bench.tasks.metrics import SplitScore, majority_score_of, score_split, task_score
from matekd_bench.tasks.task import TaskData
from matekd_bench.tasks.teacher_answers import TaskAnswers

__all__ = ["Recipe", "TaskAssets"]


class TaskAssets:
    """Everything that the runs on one task share; each part is made when it is first needed, then kept in memory.

    `sink` gets a message for each step that takes long, progress after every update of a preparation, and warnings. A
    preparation is saved and ends once `stopping()` returns True.
    """

    def __init__(
        self,
        data: TaskData,
        recipe: Recipe,
        sink: Sink = Sink(),
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.data, self.task, self.recipe = data, data.task, recipe
        self._sink = sink
        self._fine_tuned = FineTunedTeacher(data, recipe, sink, stopping)
        self._warmed_up = WarmedUpGenerator(data, recipe, sink, stopping)

    @cached_property
    def student_encoder(self) -> Encoder:
        """The encoder for the student's input."""
        return self.recipe.student_encoder

    @cached_property
    def teacher_encoder(self) -> Encoder:
        """The encoder for the teacher's input."""
        return self.recipe.teacher_encoder

    @cached_property
    def one_vocabulary(self) -> bool:
        """True if teacher and student share their token ids."""
        return self.student_encoder.tokens.vocabulary == self.teacher_encoder.tokens.vocabulary

    @cached_property
    def teacher(self) -> Teacher:
        """The teacher on the device, frozen and in eval mode, in the precision in which it answers."""
        recipe = self.recipe
        if recipe.answers is not None:
            return Teacher(None, recipe.answers, given=True)
        if recipe.teacher_given:
            teacher = load_given_teacher(recipe.teacher_checkpoint, self.task, recipe.device)
        else:
            teacher = self._fine_tuned.get()
        hold_in_precision(teacher.model, recipe.answer_precision)
        return self._check_given_labels(teacher) if recipe.teacher_given else teacher

    @cached_property
    def answers(self) -> TaskAnswers | None:
        """The teacher's answers to the task's rows from a file; None if the teacher is a checkpoint."""
        return None if self.recipe.answers is None else self.recipe.answers.of(self.data)

    def answer_to(self, texts: tuple[str, ...]) -> Tensor:
        """Return the answer of the file to the texts of a perturbed row [C], as training reads it.

        Raises DataError if the file has none, and for a teacher that is a checkpoint.
        """
        answer = None if self.answers is None else self.answers.to_texts(texts)
        if answer is None:
            raise DataError(f"the teacher's answers lack the text {texts[0][:60]!r}.")
        return self._standardized(torch.tensor(answer))

    def _check_given_labels(self, teacher: Teacher) -> Teacher:
        """Apply the label gate to a given teacher, report its warning, and note in the result that it was applied."""
        logits = self._dev_logits(teacher)
        named = names_classes(self.recipe.teacher_checkpoint)
        warning = check_labels(self.task, teacher, logits, self.data.dev, named=named)
        if warning:
            self._sink.emit(Message(kind="warning", text=warning))
        return replace(teacher, label_map_checked=bool(self.task.labels) and self.task.label_gate)

    @cached_property
    def units(self) -> ScoreUnits | None:
        """The units of a regression's training scores; None for a classification."""
        return score_units(self.data)

    @cached_property
    def teacher_dev_logits(self) -> list[Tensor]:
        """The teacher's logits [n, C] on each dev split, or its scores [n, 1] in the task's units.

        Empty if the teacher answered beforehand, and not to every dev row.
        """
        if self.answers is not None:
            return [torch.tensor(answers) for answers in self.answers.dev]
        return self._dev_logits(self.teacher)

    @cached_property
    def teacher_scores(self) -> list[SplitScore]:
        """The teacher's metrics on each dev split; empty if it has no logits there."""
        logits = self.teacher_dev_logits
        return [
            score_split(self.task, dev.gold, part.numpy(), dev.split)
            for dev, part in zip(self.data.dev if logits else (), logits, strict=True)
        ]

    def warn_of_weak_teacher(self) -> None:
        """Emit a warning if the teacher scores no better on dev than the majority class, so that it teaches nothing."""
        if not self.teacher_scores:
            return
        score, majority = task_score(self.teacher_scores), majority_score_of(self.data)
        if score <= majority:
            text = (
                f"the teacher for {self.task.name} scores {100 * score:.1f} on dev, not above the majority class "
                f"({100 * majority:.1f}): students learn nothing from it, and tables mark the task as uninformative"
            )
            self._sink.emit(Message(kind="warning", text=text))

    def _dev_logits(self, teacher: Teacher) -> list[Tensor]:
        return [part.get() for part in self._dev_artifacts(teacher)]

    def _dev_artifacts(self, teacher: Teacher) -> list[CleanLogits]:
        recipe = replace(self.recipe, ranks=ALONE)  # the leader asks for them when it needs them
        return [
            CleanLogits(
                self.data, recipe, self._sink, teacher=teacher, examples=dev,
                read=partial(self.teacher_encoder, dev.texts),
            )
            for dev in self.data.dev
        ]  # fmt: skip

    @cached_property
    def train(self) -> Corpus:
        """The training rows encoded for the student, with the teacher's logits on the clean input.

        Of a regression, labels and logits are standardized.
        """
        corpus = self._fine_tuned.corpus(self.student_encoder)
        return replace(corpus, teacher_logits=self._standardized(self._teacher_logits(corpus)))

    def _standardized(self, logits: Tensor) -> Tensor:
        return logits if self.units is None else self.units.standardize(logits)

    def _teacher_logits(self, corpus: Corpus) -> Tensor:
        """Return the teacher's logits on the training rows, given as encoded for the student."""
        if self.answers is not None:
            return torch.tensor(self.answers.train)

        def as_teacher_reads() -> Sequence[Encoded]:
            return (corpus if self.one_vocabulary else self._fine_tuned.corpus(self.teacher_encoder)).encoded

        return self._train_artifact(self.teacher, as_teacher_reads).get()

    def _train_artifact(self, teacher: Teacher, read: Callable[[], Sequence[Encoded]]) -> CleanLogits:
        return CleanLogits(
            self.data, self.recipe, self._sink, teacher=teacher, examples=self._fine_tuned.rows, read=read
        )

    def cached_folders(self, *, generator: bool) -> list[Path] | None:
        """Return the cache folders of the task's artifacts; None unless the cache has all of them.

        `generator`: the runs need the generator too. No network is loaded onto the device, and nothing is made.
        """
        artifacts: list[Artifact[Any]] = []
        if self.recipe.answers is None:
            if not self.recipe.teacher_given:
                artifacts.append(self._fine_tuned)
                if not self._fine_tuned.is_cached:  # the key of its logits is not known yet
                    return None
            described = self._described_teacher()
            artifacts += [
                self._train_artifact(described, lambda: self.train.encoded),
                *self._dev_artifacts(described),
            ]
        if generator and (self._warmed_up.is_cached or not self._warmed_up.untrained()[1]):
            artifacts.append(self._warmed_up)
        return [part.folder for part in artifacts] if all(part.is_cached for part in artifacts) else None

    def _described_teacher(self) -> Teacher:
        """Describe the teacher's checkpoint, without its network; one that is fine-tuned must be in the cache."""
        if not self.recipe.teacher_given:
            return Teacher(None, self._fine_tuned.checkpoint, given=False)
        teacher = self.recipe.teacher_checkpoint
        return Teacher(None, teacher, given=True, order=label_order(teacher, self.task))

    @cached_property
    def dev(self) -> list[list[Encoded]]:
        """The dev splits, encoded for the student."""
        return [self.student_encoder(examples.texts) for examples in self.data.dev]

    @cached_property
    def generator(self) -> Generator:
        """The generator; one with an untrained head is warmed up on training text, and cached.

        Raises CheckpointError if the study names no generator.
        """
        network, trained = self._warmed_up.untrained()
        if not trained:
            return self._warmed_up.get()
        return Generator(network.to(self.recipe.device), None)
