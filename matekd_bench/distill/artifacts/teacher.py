"""Fine-tune one teacher per task, cache it, and compute its logits on the training rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matekd_bench.distill.artifacts.artifact_cache import cached_folder, has_folder
from matekd_bench.distill.artifacts.eviction import CacheUse
from matekd_bench.distill.artifacts.preparation import PreparationCheckpoints
from matekd_bench.distill.data.batches import Assembler
from matekd_bench.distill.data.corpus import Corpus
from matekd_bench.distill.data.order import DataOrder
from matekd_bench.distill.device import ResolvedPrecision, contained_randomness, kernel_facts
from matekd_bench.distill.flops import FlopModel, Meter
from matekd_bench.distill.models.checkpoints import Checkpoint, describe
from matekd_bench.distill.models.networks import ModelSource, load_classifier, quiet_transformers
from matekd_bench.distill.models.tokenizers import Encoder
from matekd_bench.distill.settings import Objective, TeacherSettings
from matekd_bench.distill.training.ddp import ALONE, Ranks
from matekd_bench.distill.training.evaluation import predict
from matekd_bench.distill.training.forward_passes import RunModels
from matekd_bench.distill.training.run_context import RunContext
from matekd_bench.distill.training.step_scope import StepScope
from matekd_bench.distill.training.trainer import Progress, Trainer
from matekd_bench.files.durable import CheckpointFolder
from matekd_bench.files.hashing import short_digest
from matekd_bench.methods.context import Models
from matekd_bench.methods.method import NoParams
from matekd_bench.methods.perturbation import Perturbation
from matekd_bench.methods.views import Batch
from matekd_bench.seeds import seed_of
from matekd_bench.tasks.task import Task

if TYPE_CHECKING:
    from matekd_bench.methods.perturbation import Views

ENGINE = "2"  # raised when teachers or logits made by older code may differ


@dataclass(frozen=True)
class Teacher:
    """A teacher ready for use; its logits are in the task's class order.

    `given` is True for a teacher that the user gives already fine-tuned. `order` holds the checkpoint's output column
    of each class, or None if no column had to be moved. `label_map_checked` is True if the label gate was applied.
    """

    model: Any
    checkpoint: Checkpoint
    given: bool
    label_map_checked: bool = False
    order: tuple[int, ...] | None = None
    train_flops: int = 0
    train_seconds: float = 0.0
    use: CacheUse | None = None  # keeps its folder from being removed from the cache


class _GoldOnly(Perturbation[NoParams]):
    """Plain fine-tuning on gold labels, as a method for the trainer."""

    def views(self, batch: Batch, models: Models) -> Views:
        yield batch.clean.weighted(gold=1.0, soft=0.0)


def load_or_fine_tune(
    base: Checkpoint,
    settings: TeacherSettings,
    task: Task,
    corpus: Corpus,
    data_key: str,
    encoder: Encoder,
    *,
    device: torch.device,
    precision: ResolvedPrecision,
    progress: Progress,
    make_saver: Callable[[str, CheckpointFolder, Ranks], PreparationCheckpoints] = (
        lambda name, checkpoints, ranks: PreparationCheckpoints(name, checkpoints, ranks=ranks)
    ),
    stage: Callable[[str], None] = lambda text: None,
    warn: Callable[[str], None] = lambda text: None,
    ranks: Ranks = ALONE,
) -> Teacher:
    """Load the base checkpoint fine-tuned on the task's gold labels from the cache; fine-tune it if it is not there.

    `make_saver` makes the object that saves the fine-tuning's checkpoints. `stage` is called with a line on whether the
    teacher is fine-tuned or cached, `warn` with one on a damaged cache. Several `ranks` fine-tune it together.
    """
    recipe = _recipe(
        base,
        settings,
        task,
        data_key,
        max_length=encoder.max_length,
        precision=precision,
        device=device,
        ranks=ranks,
    )

    def build(folder: Path, checkpoints: CheckpointFolder) -> None:
        stage(f"fine-tuning teacher for {task.name}")
        saver = make_saver(f"teacher for {task.name}", checkpoints, ranks)
        # Study seed 0, here and below: a teacher is made once per task, for all seeds of a study.
        model = load_classifier(
            ModelSource(base), task.outputs, task.labels, seed_of(0, task.name, "teacher-init")
        )
        meter = _fine_tune(
            model.to(device), settings, task, corpus, encoder, device, precision, progress, saver, ranks
        )
        with quiet_transformers():
            model.save_pretrained(folder)
        encoder.save(folder)
        facts = {"recipe": recipe, "flops": meter.flops, "seconds": saver.seconds}
        (folder / "teacher.json").write_text(json.dumps(facts, indent=1) + "\n")

    entry = cached_folder("teachers", _cache_key(task, recipe), build, warn, ranks)
    if not entry.built:
        stage(f"teacher for {task.name}: from cache")
    folder = entry.path
    facts = json.loads((folder / "teacher.json").read_text())
    checkpoint = describe(folder, id=base.id, revision=base.revision)
    # Read from the cache even after fine-tuning. Seed 0 is not used: the saved model has its head.
    model = (
        load_classifier(ModelSource(checkpoint), task.outputs, task.labels, 0)
        .to(device)
        .requires_grad_(False)
    )
    return Teacher(
        model,
        checkpoint,
        given=False,
        train_flops=facts["flops"],
        train_seconds=facts["seconds"],
        use=entry.use,
    )


def is_teacher_cached(
    base: Checkpoint, settings: TeacherSettings, task: Task, data_key: str,
    *, max_length: int, precision: ResolvedPrecision, device: torch.device, ranks: Ranks = ALONE,
) -> bool:  # fmt: skip
    """Return True if :func:`load_or_fine_tune` would find this teacher in the cache."""
    recipe = _recipe(
        base, settings, task, data_key, max_length=max_length, precision=precision, device=device, ranks=ranks
    )
    return has_folder("teachers", _cache_key(task, recipe))


def _recipe(
    base: Checkpoint, settings: TeacherSettings, task: Task, data_key: str,
    *, max_length: int, precision: ResolvedPrecision, device: torch.device, ranks: Ranks,
) -> dict[str, Any]:  # fmt: skip
    """Collect everything that the weights of a fine-tuned teacher depend on."""
    return {
        "engine": ENGINE,
        "base": base.sha256,
        "settings": settings.model_dump(mode="json", exclude={"checkpoint", "revision"}),
        "task": task.name,
        "data": data_key,
        "max_length": max_length,
        "precision": precision,
        "device": device.type,
        **kernel_facts(),
        **({"processes": ranks.size} if ranks.size > 1 else {}),
    }


def _cache_key(task: Task, recipe: Mapping[str, Any]) -> str:
    """Return the name of a teacher's folder in the cache."""
    return f"{task.name}-{short_digest(recipe)}"


def _fine_tune(
    model: Any,
    settings: TeacherSettings,
    task: Task,
    corpus: Corpus,
    encoder: Encoder,
    device: torch.device,
    precision: ResolvedPrecision,
    progress: Progress,
    saver: PreparationCheckpoints,
    ranks: Ranks,
) -> Meter:
    """Fine-tune the model in place on gold labels with the students' trainer; return the meter of its cost."""
    objective, meter, scope = Objective(gold=1.0, soft=0.0), Meter(), StepScope(0, task.name)
    meter.register("student", FlopModel(model))
    size = settings.optimizer.batch_size
    kind, limit = settings.budget.kind, settings.budget.resolve(task.name, len(corpus), size)
    context = RunContext(
        task=task, seed=0, device=device, precision=precision, objective=objective,
        student_encoder=encoder, teacher_encoder=None, meter=meter, scope=scope,
    )  # fmt: skip
    models = RunModels(
        model,
        None,
        objective=objective,
        regression=not task.labels,
        precision=precision,
        scope=scope,
        meter=meter,
    )
    trainer = Trainer(
        name="teacher", models=models, perturbation=_GoldOnly(NoParams(), context), context=context,
        optimizer=settings.optimizer, objective=objective, budget=(kind, limit), ranks=ranks,
    )  # fmt: skip
    order = DataOrder(corpus.lengths, size, 0, task.name, "teacher-order")
    if (state := saver.begin(model)) is not None:
        trainer.load_state_dict(state["trainer"])
        meter.load_state_dict(state["meter"])
        if not ranks.leads:
            meter.clear_passes()  # the checkpoint holds those of all processes; only the leader keeps them

    def training_state() -> dict[str, Any]:
        _gather_passes(meter, ranks)
        return {"trainer": trainer.state_dict(), "meter": meter.state_dict()}

    with (
        contained_randomness(device),
        closing(trainer.run(order, order, Assembler(corpus, 0, task.name))) as losses,
    ):
        for loss in losses:
            progress(int(trainer.progress * limit), limit, loss)
            if trainer.progress < 1.0:  # after the last update the teacher itself goes to the cache
                saver.after_update(trainer.spent.student_updates, model, training_state)
    _gather_passes(meter, ranks)
    return meter


def _gather_passes(meter: Meter, ranks: Ranks) -> None:
    """Move the passes that all processes counted into the leader's meter."""
    states = ranks.gather(meter.state_dict())
    if not ranks.leads:
        meter.clear_passes()
        return
    for state in states[1:]:
        meter.absorb(state)


def clean_logits(
    teacher: Teacher,
    corpus: Corpus,
    data_key: str,
    max_length: int,
    warn: Callable[[str], None] = lambda text: None,
    ranks: Ranks = ALONE,
) -> Tensor:
    """Return the teacher's logits [n, C] on every clean training row, in float32; compute them if they are not cached.

    `corpus` must be encoded with the teacher's vocabulary. `warn` is called if the cached logits are damaged.
    """
    from safetensors.torch import load_file, save_file

    device = next(teacher.model.parameters()).device.type
    key = short_digest([ENGINE, teacher.checkpoint.sha256, teacher.order, data_key, max_length, device])

    def build(folder: Path, checkpoints: CheckpointFolder) -> None:
        logits = predict(teacher.model, corpus.encoded, corpus.pad, ranks=ranks)
        save_file({"logits": logits.contiguous()}, str(folder / "logits.safetensors"))

    entry = cached_folder("logits", key, build, warn, ranks)
    return load_file(str(entry.path / "logits.safetensors"))["logits"]
