"""The teacher: given already fine-tuned, or fine-tuned once per task and cached; its label order and its logits."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matekd_bench.distill.batches import Assembler, Corpus, Order
from matekd_bench.distill.cache import cached_folder, is_there
from matekd_bench.distill.checkpoints import Checkpoint, describe
from matekd_bench.distill.context import RunContext
from matekd_bench.distill.device import ResolvedPrecision, contained_randomness, kernel_facts
from matekd_bench.distill.encoding import Encoder
from matekd_bench.distill.evaluation import predict
from matekd_bench.distill.keeper import Keeper
from matekd_bench.distill.meter import FlopModel, Meter
from matekd_bench.distill.models import Moment, RunModels
from matekd_bench.distill.networks import Source, load_classifier, quiet_transformers
from matekd_bench.distill.ranks import ALONE, Ranks
from matekd_bench.distill.settings import Objective, TeacherSettings
from matekd_bench.distill.trainer import Progress, Trainer
from matekd_bench.distill.upkeep import Use
from matekd_bench.durable import CheckpointFolder
from matekd_bench.errors import CheckpointError
from matekd_bench.hashing import short_digest
from matekd_bench.methods.base import Perturbation
from matekd_bench.methods.interfaces import Models
from matekd_bench.methods.record import NoParams
from matekd_bench.methods.views import Batch
from matekd_bench.seeds import seed_of
from matekd_bench.tasks.record import Examples, Task

if TYPE_CHECKING:
    from matekd_bench.methods.base import Views

ENGINE = "1"  # raised when teachers or logits made by older code may differ
GATE_MARGIN, GATE_P = 0.10, 0.001


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
    use: Use | None = None  # keeps its folder in the cache


class _Plain(Perturbation[NoParams]):
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
    keeper: Callable[[str, CheckpointFolder, Ranks], Keeper] = lambda what, kept, ranks: Keeper(
        what, kept, ranks=ranks
    ),
    say: Callable[[str], None] = lambda text: None,
    ranks: Ranks = ALONE,
) -> Teacher:
    """The base checkpoint fine-tuned on the task's gold labels, taken from the cache where it was made before.

    `keeper` is asked for what keeps the fine-tuning's checkpoints; `say` is told of a damaged cache. Several `ranks`
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
        keeping = keeper(f"the teacher of {task.name}", checkpoints, ranks)
        model = load_classifier(
            Source(base), task.outputs, task.labels, seed_of(0, task.name, "teacher-init")
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
    folder = entry.path
    facts = json.loads((folder / "teacher.json").read_text())
    checkpoint = describe(folder, id=base.id, revision=base.revision)
    model = load_classifier(Source(checkpoint), task.outputs, task.labels, 0).to(device).requires_grad_(False)
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
    keeping: Keeper,
    ranks: Ranks,
) -> Meter:
    """Trains the model in place with the one trainer, gold labels only; the teacher's seed is always 0."""
    objective, meter, moment = Objective(gold=1.0, soft=0.0), Meter(), Moment(0, task.name)
    meter.register("student", FlopModel(model))
    size = settings.optimiser.batch_size
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
        name="teacher", models=models, perturbation=_Plain(NoParams(), context), context=context,
        optimiser=settings.optimiser, objective=objective, budget=(kind, limit), ranks=ranks,
    )  # fmt: skip
    order = Order(corpus.lengths, size, 0, task.name, "teacher-order")
    if (state := keeping.begin(model)) is not None:
        trainer.restore(state["trainer"])
        meter.restore(state["meter"])
        if not ranks.leads:
            meter.forget_passes()  # they are the leader's

    def state_now() -> dict[str, Any]:
        _collect(meter, ranks)
        return {"trainer": trainer.state(), "meter": meter.state()}

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
    gathered = ranks.gather(meter.state())
    if not ranks.leads:
        meter.forget_passes()
        return
    for theirs in gathered[1:]:
        meter.absorb(theirs)


def given(checkpoint: Checkpoint, task: Task, device: torch.device) -> Teacher:
    """A checkpoint that is already a classifier, its output columns mapped to the task by label string.

    Raises CheckpointError where the number of outputs or the label names do not fit the task.
    """
    config = checkpoint.config
    names = {int(index): str(name) for index, name in (config.get("id2label") or {}).items()}
    outputs = len(names) or int(config.get("num_labels", 2))
    if outputs != task.outputs:
        raise CheckpointError(
            f"the given teacher '{checkpoint.id}' has {outputs} outputs, but task '{task.name}' has {task.outputs}."
        )
    order = _order_by_name(names, task, checkpoint)
    source = Source(checkpoint)
    model = load_classifier(source, task.outputs, task.labels, 0).to(device).requires_grad_(False)
    if order is not None:
        model.register_forward_hook(lambda module, inputs, output: _reordered(output, order))
    return Teacher(model, checkpoint, given=True, order=order)


def _reordered(output: Any, order: tuple[int, ...]) -> Any:
    output.logits = output.logits[:, list(order)]
    return output


def _order_by_name(names: Mapping[int, str], task: Task, checkpoint: Checkpoint) -> tuple[int, ...] | None:
    """Which output column belongs to each class, by label string; None where the names say nothing."""
    if not task.labels or all(_says_nothing(index, name) for index, name in names.items()):
        return None
    columns = {_plain(name): index for index, name in names.items()}
    wanted = [_plain(label) for label in task.labels]
    if set(wanted) != set(columns):
        raise CheckpointError(
            f"the labels of the given teacher '{checkpoint.id}' ({', '.join(names.values())}) are not those of task "
            f"'{task.name}' ({', '.join(task.labels)})."
        )
    order = tuple(columns[label] for label in wanted)
    return None if order == tuple(range(len(order))) else order


def _says_nothing(index: int, name: str) -> bool:
    return name == str(index) or name.upper().startswith("LABEL_")


def _plain(label: str) -> str:
    return label.lower().replace("-", "_").replace(" ", "_")


def check_labels(
    task: Task, teacher: Teacher, logits: Sequence[Tensor], dev: Sequence[Examples]
) -> str | None:
    """The label gate for a given teacher: stops if another label order fits dev significantly better.

    Raises CheckpointError if another permutation of the outputs is right on 10 points more of the dev examples and the
    exact McNemar test gives p < .001; returns a warning where it is only better. Not applied to
    regression, nor to tasks that opt out (WNLI, whose teachers are at chance).
    """
    if not task.labels or not task.label_gate:
        return None
    predicted = torch.cat([part.argmax(-1) for part in logits])
    gold = torch.tensor([label for examples in dev for label in examples.labels or ()])
    right = predicted == gold
    best, best_right = max(
        (
            (order, torch.tensor(order)[predicted] == gold)
            for order in itertools.permutations(range(task.outputs))
        ),
        key=lambda pair: int(pair[1].sum()),
    )
    gain = float(best_right.float().mean() - right.float().mean())
    if gain <= 0:
        return None
    named = ", ".join(f"{task.labels[i]} as {task.labels[j]}" for i, j in enumerate(best) if i != j)
    text = (
        f"the given teacher '{teacher.checkpoint.id}' fits task '{task.name}' better by {100 * gain:.1f} points "
        f"when its outputs are read as: {named}"
    )
    if gain >= GATE_MARGIN and _mcnemar(right, best_right) < GATE_P:
        raise CheckpointError(
            f"{text}.", hint="Its labels are in another order: set id2label in its config.json."
        )
    return text


def _mcnemar(first: Tensor, second: Tensor) -> float:
    """Two-sided exact McNemar p of two paired vectors of right and wrong."""
    from scipy.stats import binomtest

    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    discordant = only_first + only_second
    return 1.0 if discordant == 0 else float(binomtest(only_first, discordant, 0.5).pvalue)


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
