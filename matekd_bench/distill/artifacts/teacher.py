"""The fine-tuned teacher of a task and its logits on clean rows, as artifacts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from matekd_bench.distill.artifacts.artifact import ENGINE, Artifact, Measured, as_checkpoint
from matekd_bench.distill.artifacts.artifact_cache import CacheEntry
from matekd_bench.distill.artifacts.eviction import CacheUse
from matekd_bench.distill.device import contained_randomness, kernel_facts
from matekd_bench.distill.models.checkpoints import Checkpoint, describe
from matekd_bench.distill.models.networks import ModelSource, load_classifier, quiet_transformers
from matekd_bench.distill.models.score_units import add_offset, score_units, task_units
from matekd_bench.distill.settings import Objective, Training
from matekd_bench.distill.training.evaluation import predict
from matekd_bench.distill.training.session import Job, SessionParts, TrainingSession
from matekd_bench.files.durable import CheckpointFolder
from matekd_bench.files.hashing import short_digest
from matekd_bench.methods.context import Models
from matekd_bench.methods.method import Method, NoParams
from matekd_bench.methods.perturbation import Perturbation
from matekd_bench.methods.rows import Encoded
from matekd_bench.methods.views import Batch
from matekd_bench.seeds import seed_of
from matekd_bench.tasks.sources.example_ids import split_digest, take
from matekd_bench.tasks.task import Examples
from matekd_bench.tasks.teacher_answers import TeacherAnswers

if TYPE_CHECKING:
    from matekd_bench.methods.perturbation import Views


@dataclass(frozen=True)
class Teacher:
    """A teacher ready for use; its logits are in the task's class order, or scores in the task's units.

    `model` is None, and `source` the file, for a teacher that answered beforehand. `given` is True for it and for a
    teacher that the user gives already fine-tuned. `order` holds the checkpoint's output column of each class, or None
    if no column had to be moved. `label_map_checked` is True if the label gate was applied.
    """

    model: Any
    source: Checkpoint | TeacherAnswers
    given: bool
    label_map_checked: bool = False
    order: tuple[int, ...] | None = None
    train_flops: int = 0
    train_seconds: float = 0.0
    use: CacheUse | None = None  # keeps its folder from being removed from the cache

    @property
    def checkpoint(self) -> Checkpoint:
        """The teacher's checkpoint. Raises CheckpointError if its answers come from a file."""
        return as_checkpoint(self.source)


class _GoldOnly(Perturbation[NoParams]):
    """Plain fine-tuning on gold labels, as a method for the trainer."""

    def views(self, batch: Batch, models: Models) -> Views:
        yield batch.clean.weighted(gold=1.0, soft=0.0)


GOLD_ONLY = Method(
    name="teacher", summary="Fine-tuning on gold labels.", factory=_GoldOnly, level="none", version="1"
)


class FineTunedTeacher(Artifact[Teacher]):
    """The recipe's teacher, fine-tuned on the rows with gold labels; one for all seeds of a study."""

    kind, noun = "teachers", "teacher"
    facts_file = "teacher.json"

    @property
    def facts(self) -> dict[str, Any]:
        """Everything that the weights depend on."""
        recipe = self.recipe
        return {
            "engine": ENGINE,
            "base": recipe.teacher_checkpoint.sha256,
            "settings": recipe.teacher_settings.as_recipe(),
            "task": self.task.name,
            "data": self._labeled_rows_key,
            "max_length": recipe.max_length,
            "precision": recipe.precision,
            "device": recipe.device.type,
            **({"scores": "standardized"} if self.task.kind == "regression" else {}),
            **kernel_facts(),
            **({"processes": recipe.ranks.size} if recipe.ranks.size > 1 else {}),
        }

    @property
    def _labeled_rows_key(self) -> str:
        """The digest of the rows with labels: adding rows without a label does not change the teacher."""
        labels = self.rows.labels or ()
        if not self.rows.unlabeled:
            return self.data_key
        return split_digest(take(self.rows, [row for row, label in enumerate(labels) if label is not None]))

    def build(self, folder: Path, checkpoints: CheckpointFolder) -> Measured:
        """Fine-tune the teacher and save it with its tokenizer; measure FLOPs and seconds."""
        self.tell(f"fine-tuning {self.title}")
        preparation = self.preparation(checkpoints, self.recipe.ranks)
        with contained_randomness(self.recipe.device):
            session = self.session()
            preparation.train(session)
        session.gather_counts()
        network = session.parts.student
        with quiet_transformers(), task_units(network, score_units(self.data)) as offset:
            network.save_pretrained(folder)
        session.parts.student_encoder.save(folder)
        measured = {"flops": session.meter.flops, "seconds": preparation.seconds}
        return {**measured, "offset": offset} if offset else measured

    def session(self) -> TrainingSession:
        """Make the session that fine-tunes the teacher, with the students' trainer and study seed 0."""
        recipe, task, settings = self.recipe, self.task, self.recipe.teacher_settings
        corpus = self.corpus(recipe.teacher_encoder).labeled()
        init = seed_of(0, task.name, "teacher-init")
        model = load_classifier(ModelSource(recipe.teacher_checkpoint), task.outputs, task.labels, init)
        parts = SessionParts(
            task=task, corpus=corpus, student=model.to(recipe.device), teacher=None,
            student_encoder=recipe.teacher_encoder, teacher_encoder=None, device=recipe.device,
            precision=recipe.precision, ranks=recipe.ranks,
        )  # fmt: skip
        limit = settings.budget.resolve(task.name, len(corpus), settings.optimizer.batch_size)
        training = Training(optimizer=settings.optimizer, objective=Objective(gold=1.0, soft=0.0))
        job = Job("teacher", GOLD_ONLY, NoParams(), 0, training, (settings.budget.kind, limit))
        return TrainingSession(parts, job, data_order="teacher-order", method_init=None)

    @property
    def checkpoint(self) -> Checkpoint:
        """The fine-tuned checkpoint, which must be in the cache."""
        base = self.recipe.teacher_checkpoint
        return describe(self.folder, id=base.id, revision=base.revision)

    def load(self, entry: CacheEntry, measured: Measured) -> Teacher:
        """Load the teacher onto the device, frozen; from the cache even after fine-tuning."""
        if not entry.built:
            self.tell(f"{self.title}: from cache", "detail")
        task, checkpoint = self.task, self.checkpoint
        # Seed 0 is not used: the saved model has its head.
        model = load_classifier(ModelSource(checkpoint), task.outputs, task.labels, 0).to(self.recipe.device)
        add_offset(model, measured.get("offset", 0.0))
        return Teacher(
            model.requires_grad_(False), checkpoint, given=False, train_flops=measured["flops"],
            train_seconds=measured["seconds"], use=entry.use,
        )  # fmt: skip


@dataclass(frozen=True)
class CleanLogits(Artifact[Tensor]):
    """A teacher's logits [n, C] on every clean row of a split, in float32; of a regression in the task's units.

    The key needs the teacher: it depends on the digest of its files. `read` encodes the rows as the teacher reads them.
    """

    kind, noun = "logits", "teacher logits"

    teacher: Teacher = field(kw_only=True)
    examples: Examples = field(kw_only=True)
    read: Callable[[], Sequence[Encoded]] = field(kw_only=True)

    @property
    def facts(self) -> list[Any]:
        """Everything that the logits depend on."""
        teacher, recipe = self.teacher, self.recipe
        return [
            ENGINE, teacher.source.sha256, teacher.order, self.data.digests[self.examples.split],
            recipe.max_length, recipe.device.type,
            # Only if it differs, so that cached logits keep their key.
            *([] if recipe.answer_precision == "float32" else [recipe.answer_precision]),
        ]  # fmt: skip

    @property
    def key(self) -> str:
        """The name of the folder in the cache; it does not name the task, since tasks may share rows and teacher."""
        return short_digest(self.facts)

    def build(self, folder: Path, checkpoints: CheckpointFolder) -> Measured:
        """Predict every row."""
        from safetensors.torch import save_file

        split = "" if self.examples is self.data.train else f", {self.examples.split}"
        self.tell(f"{self.title}{split}")
        recipe = self.recipe
        logits = predict(
            self.teacher.model, self.read(), recipe.teacher_encoder.tokens.pad, batch_size=recipe.rows_per_answer,
            precision=recipe.answer_precision, ranks=recipe.ranks, on_rows=self.count,
        )  # fmt: skip
        save_file({"logits": logits.contiguous()}, str(folder / "logits.safetensors"))
        return {}

    def load(self, entry: CacheEntry, measured: Measured) -> Tensor:
        """Read the logits."""
        from safetensors.torch import load_file

        return load_file(str(entry.path / "logits.safetensors"))["logits"]
