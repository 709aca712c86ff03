"""Recipe and artifact: the preparation of a study's models, and a costly result that is built once and cached."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

import torch

from matekd_bench.distill.artifacts.artifact_cache import CacheEntry, cache_root, cached_folder
from matekd_bench.distill.artifacts.preparation import Preparation
from matekd_bench.distill.data.corpus import Corpus, label_tensor
from matekd_bench.distill.device import ResolvedPrecision
from matekd_bench.distill.models.checkpoints import Checkpoint
from matekd_bench.distill.models.networks import ModelSource
from matekd_bench.distill.models.score_units import score_units
from matekd_bench.distill.models.tokenizers import Encoder, encoder_of
from matekd_bench.distill.settings import GeneratorSettings, TeacherSettings
from matekd_bench.distill.training.ddp import ALONE, Ranks
from matekd_bench.errors import CheckpointError
from matekd_bench.events import Message, Progress, Sink
from matekd_bench.files.durable import CheckpointFolder
from matekd_bench.files.hashing import short_digest
from matekd_bench.tasks.task import Examples, Task, TaskData
from matekd_bench.tasks.teacher_answers import TeacherAnswers

T = TypeVar("T")
Measured: TypeAlias = Mapping[str, Any]  # measurements made while an artifact was built, as JSON data

# Tokens per pass of the teacher over clean text on a GPU; without a graph a large teacher needs less than 2 GB.
TOKENS_PER_ANSWER = 2**15
ENGINE = "3"  # increased when teachers, logits or generators made by older code may differ


def as_checkpoint(teacher: Checkpoint | TeacherAnswers) -> Checkpoint:
    """Return a teacher's checkpoint. Raises CheckpointError if its answers come from a file."""
    if isinstance(teacher, TeacherAnswers):
        raise CheckpointError(f"the teacher is not a checkpoint: its answers come from '{teacher.file}'.")
    return teacher


@dataclass(frozen=True)
class Recipe:
    """The models of a study and how they are prepared; nothing in it depends on the method.

    A file of answers may replace the teacher's checkpoint.
    """

    teacher: Checkpoint | TeacherAnswers
    teacher_settings: TeacherSettings
    student: ModelSource
    generator: ModelSource | None
    generator_settings: GeneratorSettings | None
    max_length: int
    device: torch.device
    precision: ResolvedPrecision
    ranks: Ranks = ALONE  # the processes that train one run together
    # The tasks whose texts the generator's warm-up reads; empty: the run's task.
    generator_texts: tuple[TaskData, ...] = ()

    @property
    def warm_up(self) -> dict[str, Any]:
        """The settings of the generator's warm-up with the digests of its texts, as they enter identities."""
        if self.generator_settings is None:
            return {}
        settings = self.generator_settings.model_dump(
            mode="json", exclude={"checkpoint", "revision", "tasks"}
        )
        if not self.generator_texts:  # the run's task, whose digests an identity has anyway
            return settings
        return {**settings, "texts": {data.task.name: training_digest(data) for data in self.generator_texts}}

    @property
    def answer_precision(self) -> ResolvedPrecision:
        """The precision of the teacher's answers to clean text: on a GPU the run's, which is faster, else float32."""
        return self.precision if self.device.type == "cuda" else "float32"

    @property
    def rows_per_answer(self) -> int:
        """The rows of the teacher's passes over clean text; many on a GPU, where a small pass takes just as long."""
        return max(64, TOKENS_PER_ANSWER // self.max_length) if self.device.type == "cuda" else 64

    @property
    def answers(self) -> TeacherAnswers | None:
        """The file of the teacher's answers; None if the teacher is a checkpoint."""
        return self.teacher if isinstance(self.teacher, TeacherAnswers) else None

    @property
    def teacher_checkpoint(self) -> Checkpoint:
        """The teacher's checkpoint. Raises CheckpointError if its answers come from a file."""
        return as_checkpoint(self.teacher)

    @property
    def teacher_given(self) -> bool:
        """True if the teacher is used unchanged, since it was given fine-tuned or answered beforehand."""
        if isinstance(self.teacher, TeacherAnswers):
            return True
        return self.teacher.classifies and not self.teacher_settings.fine_tune

    @property
    def student_encoder(self) -> Encoder:
        """The encoder for the student's input.

        This is the teacher's encoder if both share a vocabulary and only the teacher's one gives token types, which the
        teacher needs.
        """
        encoder = encoder_of(self.student.checkpoint, self.max_length)
        if self.answers is not None:
            return encoder
        teacher = self.teacher_encoder
        shared = encoder.tokens.vocabulary == teacher.tokens.vocabulary
        return teacher if shared and teacher.has_token_types and not encoder.has_token_types else encoder

    @property
    def teacher_encoder(self) -> Encoder:
        """The encoder for the teacher's input; the student's if no teacher reads anything."""
        if self.answers is not None:
            return self.student_encoder
        return encoder_of(self.teacher_checkpoint, self.max_length)


@dataclass(frozen=True)
class Artifact(ABC, Generic[T]):
    """An artifact that runs on one task share: built once under a lock, cached, sealed, and loaded by every process.

    A subclass defines what the artifact depends on (:attr:`facts`), how it is built into a folder and loaded from
    one. `kind` is its folder in the cache, `noun` names it in messages. The facts and the measurements are kept in
    `facts_file`; "" for none. Several processes of one run build it `together`, or the first one alone. `sink` is told
    of steps that take long; a build that consists of training is saved and ends once `stopping()` returns True.
    """

    kind: ClassVar[str]
    noun: ClassVar[str]
    facts_file: ClassVar[str] = ""
    together: ClassVar[bool] = True

    data: TaskData
    recipe: Recipe
    sink: Sink = Sink()
    stopping: Callable[[], bool] = lambda: False

    @property
    @abstractmethod
    def facts(self) -> Any:
        """Everything that the content depends on, as JSON data."""

    @property
    def text_name(self) -> str:
        """The name of the text that the artifact is made from: the task, unless a subclass reads more."""
        return self.task.name

    @property
    def title(self) -> str:
        """The name in messages, such as "teacher for rte"."""
        return f"{self.noun} for {self.text_name}"

    @abstractmethod
    def build(self, folder: Path, checkpoints: CheckpointFolder) -> Measured:
        """Build the artifact, write its files into the empty `folder`, and return the measurements.

        An interrupted build resumes from `checkpoints`.
        """

    @abstractmethod
    def load(self, entry: CacheEntry, measured: Measured) -> T:
        """Load the artifact from its folder in the cache."""

    @property
    def key(self) -> str:
        """The name of the folder in the cache."""
        return f"{self.text_name.replace(',', '-')}-{short_digest(self.facts)}"

    @property
    def folder(self) -> Path:
        """The folder in the cache; it exists once the artifact is built."""
        return cache_root() / self.kind / self.key

    @property
    def is_cached(self) -> bool:
        """True if the cache has a folder for the artifact; its files are not checked."""
        return self.folder.is_dir()

    def get(self) -> T:
        """Load the artifact from the cache; build it first if it is missing or damaged."""
        ranks = self.recipe.ranks
        if self.together:
            return self._load_or_build(ranks)
        if ranks.leads:  # it builds alone; the others then read from the cache
            return ranks.run_or_fail_together(lambda: self._load_or_build(ALONE))
        ranks.run_or_fail_together(lambda: None)
        return self._load_or_build(ALONE)

    def _load_or_build(self, ranks: Ranks) -> T:
        warn = partial(self.tell, kind="warning")
        entry = cached_folder(self.kind, self.key, self._build_with_facts, warn, ranks)
        text = (entry.path / self.facts_file).read_text() if self.facts_file else "{}"
        return self.load(entry, json.loads(text))

    def _build_with_facts(self, folder: Path, checkpoints: CheckpointFolder) -> None:
        measured = self.build(folder, checkpoints)
        if self.facts_file:
            text = json.dumps({"recipe": self.facts, **measured}, indent=1)
            (folder / self.facts_file).write_text(f"{text}\n")

    def preparation(self, checkpoints: CheckpointFolder, ranks: Ranks = ALONE) -> Preparation:
        """Make the resumable training that a build consists of."""
        return Preparation(self.title, checkpoints, sink=self.sink, stopping=self.stopping, ranks=ranks)

    def tell(self, text: str, kind: Literal["stage", "warning", "detail"] = "stage") -> None:
        """Tell the user about a step that may take long, about damage, or about a detail."""
        self.sink.emit(Message(kind=kind, text=text, counted=kind == "stage"))

    def count(self, done: int, limit: int) -> None:
        """Tell the user the progress of the last step."""
        self.sink.emit(Progress(done=done, limit=limit, preparing=True))

    @property
    def task(self) -> Task:
        """The task whose runs share the artifact."""
        return self.data.task

    @property
    def rows(self) -> Examples:
        """The training rows. Raises CheckpointError if the task has none."""
        return training_rows(self.data)

    @property
    def data_key(self) -> str:
        """The digest of the training rows."""
        return training_digest(self.data)

    def corpus(self, encoder: Encoder) -> Corpus:
        """Encode the training rows; scores are standardized.

        Raises CheckpointError if there are no rows or they have no labels.
        """
        return corpus_of(self.data, encoder)


def training_rows(data: TaskData) -> Examples:
    """Return the training rows of a task. Raises CheckpointError if it has none."""
    if data.train is None:
        raise CheckpointError(f"task '{data.task.name}' has no training data.")
    return data.train


def training_digest(data: TaskData) -> str:
    """Return the digest of the training rows of a task."""
    return data.digests[training_rows(data).split]


def corpus_of(data: TaskData, encoder: Encoder) -> Corpus:
    """Encode the training rows of a task; scores are standardized.

    Raises CheckpointError if there are no rows or they have no labels.
    """
    rows, task = training_rows(data), data.task
    if rows.labels is None:
        raise CheckpointError(f"the training rows of '{task.name}' have no labels.")
    labels, units = label_tensor(rows.labels, classes=bool(task.labels)), score_units(data)
    if units is not None:
        labels = units.standardize(labels).to(torch.float32)
    return Corpus(rows.uids, rows.texts, encoder(rows.texts), labels, encoder.tokens.pad)
