"""Make what the runs on one task share: teacher, encoded data, the teacher's logits and the generator."""

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
    """The models of a study and how they are prepared; nothing in it depends on the method."""

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
    """Everything that the runs on one task share; each part is made when it is first needed, then kept in memory.

    `stage` is called with a line for each step that takes long, `progress` after every update of a preparation, `warn`
    if a cached artifact is damaged. A preparation is saved and ends once `stopping()` returns True.
    """

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

    def _make_saver(
        self, name: str, checkpoints: CheckpointFolder, ranks: Ranks = ALONE
    ) -> PreparationCheckpoints:
        return PreparationCheckpoints(name, checkpoints, self._stopping, self._stage, ranks)

    @property
    def data_key(self) -> str:
        """The digest of the training rows."""
        return self.data.digests[self._train.split]

    @property
    def _train(self) -> Examples:
        if self.data.train is None:
            raise CheckpointError(f"task '{self.task.name}' has no training data.")
        return self.data.train

    @cached_property
    def student_encoder(self) -> Encoder:
        """The encoder for the student's input.

        This is the teacher's encoder if both share a vocabulary and only the teacher's one gives token types, which the
        teacher needs.
        """
        encoder = encoder_of(self.recipe.student.checkpoint, self.recipe.max_length)
        shared = encoder.tokens.vocabulary == self.teacher_encoder.tokens.vocabulary
        return (
            self.teacher_encoder
            if shared and self.teacher_encoder.has_token_types and not encoder.has_token_types
            else encoder
        )

    @cached_property
    def teacher_encoder(self) -> Encoder:
        """The encoder for the teacher's input."""
        return encoder_of(self.recipe.teacher, self.recipe.max_length)

    @cached_property
    def one_vocabulary(self) -> bool:
        """True if teacher and student share their token ids."""
        return self.student_encoder.tokens.vocabulary == self.teacher_encoder.tokens.vocabulary

    @cached_property
    def teacher(self) -> Teacher:
        """The teacher on the device, frozen and in eval mode."""
        recipe = self.recipe
        if recipe.teacher.classifies:
            return self._check_given_labels(
                given_teacher.load_given_teacher(recipe.teacher, self.task, recipe.device)
            )
        return teachers.load_or_fine_tune(
            recipe.teacher, recipe.teacher_settings, self.task, self._corpus(self.teacher_encoder), self.data_key,
            self.teacher_encoder, device=recipe.device, precision=recipe.precision, progress=self._progress,
            make_saver=self._make_saver, stage=self._stage, warn=self._warn, ranks=recipe.ranks,
        )  # fmt: skip

    def _check_given_labels(self, teacher: Teacher) -> Teacher:
        """Apply the label gate to a given teacher, report its warning, and note in the result that it was applied."""
        logits = [
            predict(teacher.model, rows, self.teacher_encoder.tokens.pad) for rows in self._teacher_dev_rows()
        ]
        warning = given_teacher.check_labels(self.task, teacher, logits, self.data.dev)
        if warning:
            self._stage(f"warning: {warning}")
        return replace(teacher, label_map_checked=bool(self.task.labels) and self.task.label_gate)

    def _teacher_dev_rows(self) -> list[list[Encoded]]:
        return [self.teacher_encoder(examples.texts) for examples in self.data.dev]

    @cached_property
    def teacher_dev_logits(self) -> list[torch.Tensor]:
        """The teacher's logits [n, C] on each dev split."""
        encoder = self.teacher_encoder
        return [predict(self.teacher.model, encoder(dev.texts), encoder.tokens.pad) for dev in self.data.dev]

    @cached_property
    def train(self) -> Corpus:
        """The training rows encoded for the student, with the teacher's logits on the clean input."""
        corpus = self._corpus(self.student_encoder)
        source = corpus if self.one_vocabulary else self._corpus(self.teacher_encoder)
        teacher = self.teacher
        self._stage(f"teacher logits for {self.task.name}")
        logits = teachers.clean_logits(
            teacher, source, self.data_key, self.recipe.max_length, self._warn, self.recipe.ranks
        )
        return replace(corpus, teacher_logits=logits)

    def _corpus(self, encoder: Encoder) -> Corpus:
        """Encode the training rows. Raises CheckpointError if there are none or they have no labels."""
        rows = self._train
        if rows.labels is None:
            raise CheckpointError(f"the training rows of '{self.task.name}' have no labels.")
        dtype = torch.long if self.task.labels else torch.float32  # class ids, or scores for regression
        labels = torch.tensor(rows.labels, dtype=dtype)
        return Corpus(rows.uids, rows.texts, encoder(rows.texts), labels, encoder.tokens.pad)

    @cached_property
    def dev(self) -> list[list[Encoded]]:
        """The dev splits, encoded for the student."""
        return [self.student_encoder(examples.texts) for examples in self.data.dev]

    @cached_property
    def generator(self) -> Generator:
        """The generator; one with an untrained head is warmed up on this task's training text, and cached.

        Raises CheckpointError if the study names no generator.
        """
        recipe, source, settings = self.recipe, self.recipe.generator, self.recipe.generator_settings
        if source is None or settings is None:
            raise CheckpointError("this study names no generator.")
        network, trained = load_masked_lm(source, seed_of(0, "generator-init"))
        tokens = self.student_encoder.tokens
        if trained:
            return Generator(source, tokens, network.to(recipe.device), None)
        if recipe.ranks.leads:  # it warms the generator up alone; the others then read it from the cache
            return recipe.ranks.run_or_fail_together(lambda: self._load_or_warm_up(source, settings))
        recipe.ranks.run_or_fail_together(lambda: None)
        return self._load_or_warm_up(source, settings)

    def _load_or_warm_up(self, source: ModelSource, settings: GeneratorSettings) -> Generator:
        """Load the warmed-up generator from the cache; warm it up if it is not there."""
        recipe, tokens = self.recipe, self.student_encoder.tokens
        recipe_facts = {
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
                saver=self._make_saver(f"generator for {self.task.name}", checkpoints),
            )  # fmt: skip
            save_masked_lm(network, folder)
            self.student_encoder.save(folder)
            warm_up_facts = {"recipe": recipe_facts, "accuracy": accuracy, "flops": flops, "seconds": seconds}
            (folder / "generator.json").write_text(json.dumps(warm_up_facts, indent=1) + "\n")

        entry = cached_folder(
            "generators", f"{self.task.name}-{short_digest(recipe_facts)}", build, self._warn
        )
        folder = entry.path
        warm_up_facts = json.loads((folder / "generator.json").read_text())
        self._stage(f"generator for {self.task.name}: masked-token accuracy {warm_up_facts['accuracy']:.1%}")
        # Seed 0 is not used: the saved generator has its head.
        network, _ = load_masked_lm(ModelSource(describe(folder, id=source.name)), 0)
        return Generator(
            source,
            tokens,
            network.to(recipe.device),
            warm_up_facts["accuracy"],
            warm_up_facts["flops"],
            warm_up_facts["seconds"],
            entry.use,
        )
