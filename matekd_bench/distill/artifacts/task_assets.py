"""What the runs on one task share: the teacher, the encoded data, the teacher's logits and the generator."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from matekd_bench.distill.artifacts import given_teacher
from matekd_bench.distill.artifacts import teacher as teachers
from matekd_bench.distill.artifacts.artifact_cache import cached_folder
from matekd_bench.distill.artifacts.generator import Generator, warm_up
from matekd_bench.distill.artifacts.preparation import PreparationCheckpoints
from matekd_bench.distill.artifacts.teacher import Teacher
from matekd_bench.distill.data.corpus import Corpus
from matekd_bench.distill.device import ResolvedPrecision, kernel_facts
from matekd_bench.distill.models.checkpoints import Checkpoint, describe
from matekd_bench.distill.models.masked_lm import load_masked_lm, save_masked_lm
from matekd_bench.distill.models.networks import ModelSource
from matekd_bench.distill.models.tokenizers import Encoder, encoder_of
from matekd_bench.distill.settings import GeneratorSettings, TeacherSettings
from matekd_bench.distill.training.ddp import ALONE, Ranks
from matekd_bench.distill.training.evaluation import predict
from matekd_bench.distill.training.trainer import Progress
from matekd_bench.errors import CheckpointError
from matekd_bench.files.durable import CheckpointFolder
from matekd_bench.files.hashing import short_digest
from matekd_bench.methods.rows import Encoded
from matekd_bench.seeds import seed_of
from matekd_bench.tasks.task import Examples, TaskData

Stage = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """Which models take part and how they are prepared: the part of a study that does not depend on the method."""

    teacher: Checkpoint
    teacher_settings: TeacherSettings
    student: ModelSource
    generator: ModelSource | None
    generator_settings: GeneratorSettings | None
    max_length: int
    device: torch.device
    precision: ResolvedPrecision
    ranks: Ranks = ALONE  # the processes that train one run together


class TaskAssets:
    """Everything the runs on one task share; each part is made when it is first asked for, then kept."""

    def __init__(
        self,
        data: TaskData,
        recipe: Recipe,
        stage: Stage,
        progress: Progress,
        *,
        warn: Stage = lambda text: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.data = data
        self.task = data.task
        self.recipe = recipe
        self._stage = stage
        self._progress = progress
        self._warn = warn
        self._stopping = stopping

    def _keeper(
        self, what: str, checkpoints: CheckpointFolder, ranks: Ranks = ALONE
    ) -> PreparationCheckpoints:
        return PreparationCheckpoints(what, checkpoints, self._stopping, self._stage, ranks)

    @property
    def data_key(self) -> str:
        """What identifies the training rows."""
        return self.data.digests[self._train.split]

    @property
    def _train(self) -> Examples:
        if self.data.train is None:
            raise CheckpointError(f"task '{self.task.name}' has no training data.")
        return self.data.train

    @cached_property
    def student_encoder(self) -> Encoder:
        """The student's tokenizer; the teacher's where only that one knows token types, which the teacher needs."""
        encoder = encoder_of(self.recipe.student.checkpoint, self.recipe.max_length)
        shared = encoder.tokens.vocabulary == self.teacher_encoder.tokens.vocabulary
        return (
            self.teacher_encoder if shared and self.teacher_encoder.typed and not encoder.typed else encoder
        )

    @cached_property
    def teacher_encoder(self) -> Encoder:
        """The teacher's tokenizer."""
        return encoder_of(self.recipe.teacher, self.recipe.max_length)

    @cached_property
    def one_vocabulary(self) -> bool:
        """Whether teacher and student share token ids."""
        return self.student_encoder.tokens.vocabulary == self.teacher_encoder.tokens.vocabulary

    @cached_property
    def teacher(self) -> Teacher:
        """The teacher on the device, frozen and in eval mode."""
        recipe = self.recipe
        if recipe.teacher.classifies:
            return self._gated(given_teacher.given(recipe.teacher, self.task, recipe.device))
        return teachers.fine_tuned(
            recipe.teacher, recipe.teacher_settings, self.task, self._corpus(self.teacher_encoder), self.data_key,
            self.teacher_encoder, device=recipe.device, precision=recipe.precision, progress=self._progress,
            keeper=self._keeper, stage=self._stage, say=self._warn, ranks=recipe.ranks,
        )  # fmt: skip

    def _gated(self, teacher: Teacher) -> Teacher:
        logits = [
            predict(teacher.model, rows, self.teacher_encoder.tokens.pad) for rows in self._teacher_dev()
        ]
        warning = given_teacher.check_labels(self.task, teacher, logits, self.data.dev)
        if warning:
            self._stage(f"warning: {warning}")
        return replace(teacher, label_map_checked=bool(self.task.labels) and self.task.label_gate)

    def _teacher_dev(self) -> list[list[Encoded]]:
        return [self.teacher_encoder(examples.texts) for examples in self.data.dev]

    @cached_property
    def teacher_dev_logits(self) -> list[torch.Tensor]:
        """The teacher's logits [n, C] on each dev split."""
        encoder = self.teacher_encoder
        return [predict(self.teacher.model, encoder(dev.texts), encoder.tokens.pad) for dev in self.data.dev]

    @cached_property
    def train(self) -> Corpus:
        """The training rows as the student reads them, with the teacher's logits of the clean input."""
        corpus = self._corpus(self.student_encoder)
        source = corpus if self.one_vocabulary else self._corpus(self.teacher_encoder)
        teacher = self.teacher
        self._stage(f"teacher logits for {self.task.name}")
        logits = teachers.clean_logits(
            teacher, source, self.data_key, self.recipe.max_length, self._warn, self.recipe.ranks
        )
        return replace(corpus, teacher_logits=logits)

    def _corpus(self, encoder: Encoder) -> Corpus:
        rows = self._train
        if rows.labels is None:
            raise CheckpointError(f"the training rows of '{self.task.name}' have no labels.")
        dtype = torch.long if self.task.labels else torch.float32
        labels = torch.tensor(rows.labels, dtype=dtype)
        return Corpus(rows.uids, rows.texts, encoder(rows.texts), labels, encoder.tokens.pad)

    @cached_property
    def dev(self) -> list[list[Encoded]]:
        """The dev splits as the student reads them."""
        return [self.student_encoder(examples.texts) for examples in self.data.dev]

    @cached_property
    def generator(self) -> Generator:
        """The generator; where its head came untrained, after a warm-up on this task's training text (cached)."""
        recipe, source, settings = self.recipe, self.recipe.generator, self.recipe.generator_settings
        if source is None or settings is None:
            raise CheckpointError("this study names no generator.")
        network, trained = load_masked_lm(source, seed_of(0, "generator-init"))
        tokens = self.student_encoder.tokens
        if trained:
            return Generator(source, tokens, network.to(recipe.device), None)
        if recipe.ranks.leads:  # the leader warms it up alone
            return recipe.ranks.jointly(lambda: self._warmed(source, settings))
        recipe.ranks.jointly(lambda: None)
        return self._warmed(source, settings)

    def _warmed(self, source: ModelSource, settings: GeneratorSettings) -> Generator:
        recipe, tokens = self.recipe, self.student_encoder.tokens
        facts = {
            "engine": teachers.ENGINE, "source": source.identity, "data": self.data_key, "task": self.task.name,
            "settings": settings.model_dump(mode="json", exclude={"checkpoint", "revision"}),
            "max_length": recipe.max_length, "precision": recipe.precision, "device": recipe.device.type,
            **kernel_facts(),
        }  # fmt: skip

        def build(folder: Path, checkpoints: CheckpointFolder) -> None:
            self._stage(f"warming up generator for {self.task.name}")
            network, _ = load_masked_lm(source, seed_of(0, "generator-init"))
            accuracy, flops, seconds = warm_up(
                network, self._corpus(self.student_encoder), settings, tokens,
                task=self.task.name, device=recipe.device, precision=recipe.precision, progress=self._progress,
                keeping=self._keeper(f"generator for {self.task.name}", checkpoints),
            )  # fmt: skip
            save_masked_lm(network, folder)
            self.student_encoder.save(folder)
            made = {"recipe": facts, "accuracy": accuracy, "flops": flops, "seconds": seconds}
            (folder / "generator.json").write_text(json.dumps(made, indent=1) + "\n")

        entry = cached_folder("generators", f"{self.task.name}-{short_digest(facts)}", build, self._warn)
        folder = entry.path
        made = json.loads((folder / "generator.json").read_text())
        self._stage(f"generator for {self.task.name}: masked-token accuracy {made['accuracy']:.1%}")
        network, _ = load_masked_lm(ModelSource(describe(folder, id=source.name)), 0)
        return Generator(
            source,
            tokens,
            network.to(recipe.device),
            made["accuracy"],
            made["flops"],
            made["seconds"],
            entry.use,
        )
