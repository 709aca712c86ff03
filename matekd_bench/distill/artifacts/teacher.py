"""The teacher that is fine-tuned once per task and cached, and its logits on the training rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matekd_bench.distill.artifacts.artifact_cache import cached_folder, is_there
from matekd_bench.distill.artifacts.eviction import CacheUse
from matekd_bench.distill.artifacts.preparation import PreparationCheckpoints
from matekd_bench.distill.cost import FlopModel, Meter
from matekd_bench.distill.data.batches import Assembler
from matekd_bench.distill.data.corpus import Corpus
from matekd_bench.distill.data.order import DataOrder
from matekd_bench.distill.device import ResolvedPrecision, contained_randomness, kernel_facts
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

ENGINE = "2"


@dataclass(frozen=True)
class Teacher:
    """A teacher ready for use; its logits come in the task's class order.

    `order` says which of the checkpoint's columns belongs to each class, None where nothing had to be moved.
    """

    model: Any
    checkpoint: Checkpoint
    given: bool
    label_map_checked: bool = False
    order: tuple[int, ...] | None = None
    train_flops: int = 0
    train_seconds: float = 0.0
    use: CacheUse | None = None  # keeps its folder in the cache


class _GoldOnly(Perturbation[NoParams]):
    """Fine-tuning: the gold labels and nothing else."""

    def views(self, batch: Batch, models: Models) -> Views:
        yield batch.clean.weighted(gold=1.0, soft=0.0)


def fine_tuned(
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
    keeper: Callable[[str, CheckpointFolder, Ranks], PreparationCheckpoints] = lambda what, kept, ranks: (
        PreparationCheckpoints(what, kept, ranks=ranks)
    ),
    stage: Callable[[str], None] = lambda text: None,
    say: Callable[[str], None] = lambda text: None,
    ranks: Ranks = ALONE,
) -> Teacher:
    """The base checkpoint fine-tuned on the task's gold labels, taken from the cache where it was made before.

    `keeper` is asked for what keeps the fine-tuning's checkpoints; `stage` is told whether the teacher is fine-tuned or
    cached, `say` of a damaged cache. Several `ranks`
    fine-tune it together.
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
        keeping = keeper(f"teacher for {task.name}", checkpoints, ranks)
        model = load_classifier(
            ModelSource(base), task.outputs, task.labels, seed_of(0, task.name, "teacher-init")
        )
        meter = _fine_tune(
            model.to(device), settings, task, corpus, encoder, device, precision, progress, keeping, ranks
        )
        with quiet_transformers():
            model.save_pretrained(folder)
        encoder.save(folder)
        facts = {"recipe": recipe, "flops": meter.flops, "seconds": keeping.seconds}
        (folder / "teacher.json").write_text(json.dumps(facts, indent=1) + "\n")

    entry = cached_folder("teachers", _name(task, recipe), build, say, ranks)
    if not entry.made:
        stage(f"teacher for {task.name}: from cache")
    folder = entry.path
    facts = json.loads((folder / "teacher.json").read_text())
    checkpoint = describe(folder, id=base.id, revision=base.revision)
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


def is_cached(
    base: Checkpoint, settings: TeacherSettings, task: Task, data_key: str,
    *, max_length: int, precision: ResolvedPrecision, device: torch.device, ranks: Ranks = ALONE,
) -> bool:  # fmt: skip
    """Whether :func:`fine_tuned` would find this teacher in the cache."""
    recipe = _recipe(
        base, settings, task, data_key, max_length=max_length, precision=precision, device=device, ranks=ranks
    )
    return is_there("teachers", _name(task, recipe))


def _recipe(
    base: Checkpoint, settings: TeacherSettings, task: Task, data_key: str,
    *, max_length: int, precision: ResolvedPrecision, device: torch.device, ranks: Ranks,
) -> dict[str, Any]:  # fmt: skip
    """Everything that decides what a fine-tuned teacher is."""
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


def _name(task: Task, recipe: Mapping[str, Any]) -> str:
    """The name of a teacher's folder in the cache."""
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
    keeping: PreparationCheckpoints,
    ranks: Ranks,
) -> Meter:
    """Trains the model in place with the one trainer, gold labels only; the teacher's seed is always 0."""
    objective, meter, moment = Objective(gold=1.0, soft=0.0), Meter(), StepScope(0, task.name)
    meter.register("student", FlopModel(model))
    size = settings.optimizer.batch_size
    kind, limit = settings.budget.kind, settings.budget.resolve(task.name, len(corpus), size)
    context = RunContext(
        task=task, seed=0, device=device, precision=precision, objective=objective,
        student_encoder=encoder, teacher_encoder=None, meter=meter, moment=moment,
    )  # fmt: skip
    models = RunModels(
        model,
        None,
        objective=objective,
        regression=not task.labels,
        precision=precision,
        moment=moment,
        meter=meter,
    )
    trainer = Trainer(
        name="teacher", models=models, perturbation=_GoldOnly(NoParams(), context), context=context,
        optimizer=settings.optimizer, objective=objective, budget=(kind, limit), ranks=ranks,
    )  # fmt: skip
    order = DataOrder(corpus.lengths, size, 0, task.name, "teacher-order")
    if (state := keeping.begin(model)) is not None:
        trainer.load_state_dict(state["trainer"])
        meter.load_state_dict(state["meter"])
        if not ranks.leads:
            meter.forget_passes()  # they are the leader's

    def state_now() -> dict[str, Any]:
        _collect(meter, ranks)
        return {"trainer": trainer.state_dict(), "meter": meter.state_dict()}

    with (
        contained_randomness(device),
        closing(trainer.run(order, order, Assembler(corpus, 0, task.name))) as losses,
    ):
        for loss in losses:
            progress(int(trainer.progress * limit), limit, loss)
            if trainer.progress < 1.0:
                keeping.after(trainer.spent.student_updates, model, state_now)
    _collect(meter, ranks)
    return meter


def _collect(meter: Meter, ranks: Ranks) -> None:
    """Leaves the passes that all processes counted with the leader."""
    gathered = ranks.gather(meter.state_dict())
    if not ranks.leads:
        meter.forget_passes()
        return
    for theirs in gathered[1:]:
        meter.absorb(theirs)


def clean_logits(
    teacher: Teacher,
    corpus: Corpus,
    data_key: str,
    max_length: int,
    say: Callable[[str], None] = lambda text: None,
    ranks: Ranks = ALONE,
) -> Tensor:
    """The teacher's logits [n, C] on every clean training row, in float32, from the cache where they are."""
    from safetensors.torch import load_file, save_file

    device = next(teacher.model.parameters()).device.type
    key = short_digest([ENGINE, teacher.checkpoint.sha256, teacher.order, data_key, max_length, device])

    def build(folder: Path, checkpoints: CheckpointFolder) -> None:
        logits = predict(teacher.model, corpus.encoded, corpus.pad, ranks=ranks)
        save_file({"logits": logits.contiguous()}, str(folder / "logits.safetensors"))

    entry = cached_folder("logits", key, build, say, ranks)
    return load_file(str(entry.path / "logits.safetensors"))["logits"]
