"""A run in miniature on toy text: what the tests of distillation and of methods are made with."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from event_recorder import EventRecorder
from matekd_bench import Joint, Method, NoParams, Perturbation, TextPerturbation, TokenPerturbation
from matekd_bench.distill import settings
from matekd_bench.distill.data.batches import Assembler
from matekd_bench.distill.data.corpus import Corpus
from matekd_bench.distill.data.order import PlannedUpdate
from matekd_bench.distill.device import contained_randomness
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.masked_lm import load_masked_lm
from matekd_bench.distill.models.networks import ModelSource, load_classifier
from matekd_bench.distill.models.tokenizers import Encoder
from matekd_bench.distill.training.evaluation import predict
from matekd_bench.distill.training.session import Job, SessionParts, TrainingSession
from matekd_bench.distill.training.trainer import Trainer
from matekd_bench.events import Message
from matekd_bench.files.hashing import digest
from matekd_bench.tasks.task import Examples, Split, Task, TaskData

TEXT = """the a man woman dog cat child house car tree bird music plays sings runs eats sees walks sleeps big small red
blue old new film story movie very quite never always he she they what when where people some all every"""
WORDS = TEXT.split()  # all of them in the vocabulary of the fixture `tiny_checkpoint`
KINDS = {"single": ("text",), "pairs": ("premise", "hypothesis"), "regression": ("first", "second")}


def toy_task(kind: str = "single") -> Task:
    """A task on toy text: which of "good" and "bad" occurs, in one text or in pairs, or a score for pairs."""
    scores = kind == "regression"
    return Task(
        name=f"toy-{kind}", title="Toy", summary="", kind="regression" if scores else "classification",
        fields=KINDS[kind], labels=() if scores else ("bad", "good"),
        metrics=("pearson",) if scores else ("accuracy",),
        splits={"train": Split("train", "train.tsv", 64), "dev": Split("dev", "dev.tsv", 40)},
    )  # fmt: skip


def toy_examples(task: Task, split: str, rows: int) -> Examples:
    """Random sentences of the tiny vocabulary's words, 2 to 11 words a text; the same every time."""
    rng = random.Random(f"{task.name}/{split}")
    texts, labels = [], []
    for _ in range(rows):
        label = rng.randrange(2)
        words = [[*rng.choices(WORDS, k=rng.randint(1, 10))] for _ in task.fields]
        words[0].insert(rng.randint(0, len(words[0])), ("bad", "good")[label])
        texts.append(tuple(" ".join(segment) for segment in words))
        labels.append(label if task.labels else label * 4 + rng.random())
    uids = tuple(f"{split}-{row}" for row in range(rows))
    return Examples(split, uids, tuple(texts), tuple(labels), official_rows=rows)


def toy_data(kind: str = "single", train: int = 64, dev: int = 40) -> TaskData:
    """Toy text as a source delivers it."""
    task = toy_task(kind)
    splits = [toy_examples(task, "train", train), toy_examples(task, "dev", dev)]
    digests = {part.split: digest([part.uids, part.texts, part.labels]) for part in splits}
    return TaskData(task, "toy", None, splits[0], (splits[1],), "mini", digests)


@cache
def classifier(folder: Path, layers: tuple[int, ...] | None, kind: str, seed: int) -> Any:
    """A classifier for a toy task as it is loaded; copy it before changing it."""
    task = toy_task(kind)
    return load_classifier(
        ModelSource(describe(folder, id=folder.name), layers), task.outputs, task.labels, seed
    )


@cache
def frozen_teacher(folder: Path, kind: str, dtype: torch.dtype) -> Any:
    """The teacher of every rig with this task: nobody changes it."""
    return exact(classifier(folder, None, kind, 2), dtype, dropout=False).requires_grad_(False)


@cache
def generator(folder: Path, dtype: torch.dtype, dropout: bool) -> Any:
    """A masked language model with a random head; copy it before changing it."""
    return exact(load_masked_lm(ModelSource(describe(folder, id=folder.name)), 3)[0], dtype, dropout)


def exact(original: Any, dtype: torch.dtype, dropout: bool) -> Any:
    """A copy with larger weights, in this precision, with dropout off unless asked for."""
    model = copy.deepcopy(original)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(8 if weight.ndim > 1 else 1)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout) and not dropout:
            module.p = 0.0
    return model.to(dtype)


KD = Method(
    name="kd", summary="", factory=lambda params, context: Given(context, kd), level="none", version="1",
    needs=frozenset({"generator"}),  # so that methods of tests, which share its context, find one
)  # fmt: skip


class Rig:
    """A session of plain distillation in float64 with dropout off, on one toy task, whose parts tests give to methods.

    Weights are eight times as large as BERT's first ones, so that logits differ between rows. `cached` says whether
    batches carry the teacher's logits of the clean input.
    """

    def __init__(
        self, student: Path, teacher: Path, data: TaskData, *, objective: Any = None, dropout: bool = False,
        cached: bool = True, seed: int = 7, dtype: torch.dtype = torch.float64, precision: Any = "float32",
    ) -> None:  # fmt: skip

        self.data, self.task, self.seed = data, data.task, seed
        self.objective = objective or settings.Objective()
        kind = data.task.name.removeprefix("toy-")
        self.encoder = Encoder(describe(student, id="student"), 32)
        self.teacher_encoder = Encoder(describe(teacher, id="teacher"), 32)
        self.student = exact(classifier(student, (0, 2), kind, 1), dtype, dropout)
        self.teacher = frozen_teacher(teacher, kind, dtype)
        shared = self.encoder.tokens.vocabulary == self.teacher_encoder.tokens.vocabulary
        kept = generator(student, dtype, dropout)
        parts = SessionParts(
            task=self.task, corpus=self._corpus(cached), student=self.student, teacher=self.teacher,
            student_encoder=self.encoder, teacher_encoder=None if shared else self.teacher_encoder,
            generator=lambda: copy.deepcopy(kept).requires_grad_(True).train(), device=torch.device("cpu"),
            precision=precision,
        )  # fmt: skip
        training = settings.Training(optimizer=settings.Optimizer(lr=1e-3), objective=self.objective)
        job = Job("tested", KD, NoParams(), seed, training, ("student_updates", 10))
        with contained_randomness(parts.device):
            self.session = TrainingSession(parts, job)
        self.corpus, self.context, self.models = parts.corpus, self.session.context, self.session.models
        self.meter, self.scope = self.session.meter, self.session.scope
        self.grads: dict[str, Any] = {}

    def _corpus(self, cached: bool) -> Any:
        rows = self.data.train
        encoded = self.encoder(rows.texts)
        labels = torch.tensor(rows.labels, dtype=torch.long if self.task.labels else torch.float32)
        theirs = self.teacher_encoder
        logits = predict(self.teacher, theirs(rows.texts), theirs.tokens.pad) if cached else None
        return Corpus(rows.uids, rows.texts, encoded, labels, self.encoder.tokens.pad, logits)

    def batch(
        self, method: Any, rows: Sequence[int], *, update: int = 0, phase: Any = "student", epoch: int = 0
    ) -> Any:
        """The batch of these rows, with what the method prepares."""
        assemble = Assembler(self.corpus, self.seed, self.task.name, method.ahead)
        return assemble(PlannedUpdate(phase, update, epoch, list(rows)))

    def trainer(
        self, method: Any, *, micro_batch: int | None = None, budget: Any = None, auxiliary_updates: Any = "besides",
        **optimizer: Any,
    ) -> Any:  # fmt: skip
        """The session's trainer, but for this method; without clipping, with a constant rate unless told otherwise."""
        defaults = {"lr": 1e-3, "warmup": 0.0, "clip": None, "batch_size": 16, **optimizer}
        return Trainer(
            name="tested", models=self.models, perturbation=method, context=self.context,
            optimizer=settings.Optimizer(micro_batch=micro_batch, **defaults),
            objective=self.objective, budget=budget or ("student_updates", 10), auxiliary_updates=auxiliary_updates,
        )  # fmt: skip

    def update(self, method: Any, batch: Any, **trainer: Any) -> float | None:
        """One update: its loss; the gradients that were stepped are in `grads`, by "student." or "own." and name.

        BERT's `key.bias` is left out: its true gradient is zero, what is computed is rounding.
        """
        named = {id(weight): f"student.{name}" for name, weight in self.student.named_parameters()}
        for own in self.context.trained:
            named |= {id(weight): f"own.{name}" for name, weight in own.module.named_parameters()}

        def keep(optimizer: Any, args: Any, kwargs: Any) -> None:
            for weight in (weight for group in optimizer.param_groups for weight in group["params"]):
                name = named[id(weight)]
                if weight.grad is not None and not name.endswith("key.bias"):
                    self.grads[name] = weight.grad.detach().clone()

        self.grads.clear()
        hook = register_optimizer_step_pre_hook(keep)
        try:
            loss: float | None = self.trainer(method, **trainer).update(batch)
        finally:
            hook.remove()
        return loss


def reference(lab: Rig, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    """The gradients of a loss in the student's weights, named as :meth:`Rig.update` names them."""
    names = [name for name, _ in lab.student.named_parameters() if not name.endswith("key.bias")]
    grads = torch.autograd.grad(loss, [lab.student.get_parameter(name) for name in names], allow_unused=True)
    return {f"student.{name}": grad for name, grad in zip(names, grads, strict=True) if grad is not None}


def at_shift(lab: Rig, batch: Any, shift: Any = 0.0) -> torch.Tensor:
    """The student's logits at its word embeddings plus `shift`, by the bare model in train mode."""
    embedded = lab.student.get_input_embeddings().weight[batch.ids] + shift
    inputs = {"attention_mask": batch.mask, "token_type_ids": batch.types}
    logits: torch.Tensor = lab.student.train()(inputs_embeds=embedded, **inputs).logits
    return logits


def gap(first: Mapping[str, Any], second: Mapping[str, Any]) -> float:
    """How far two sets of gradients lie apart: the largest norm of a difference relative to the norm of the whole."""
    assert first.keys() == second.keys()
    size = sum(float(value.norm()) ** 2 for value in first.values()) ** 0.5
    assert size > 0
    return max(float((first[name] - second[name]).norm()) for name in first) / size


class Given(Perturbation[NoParams]):
    """Yields what a function of batch and models makes; keeps what it was sent."""

    def __init__(self, context, make, cycle=None):
        super().__init__(NoParams(), context)
        self.make, self.cycle, self.seen = make, cycle, []

    def views(self, batch, models):
        for view in self.make(batch, models):
            self.seen.append((yield view))


def kd(batch, models):
    yield batch.clean


class Watched(Perturbation[Any]):
    """A method that passes on what another yields; keeps every view in `given` and every answer in `seen`."""

    def __init__(self, method):
        super().__init__(method.params, method.context)
        self.method, self.given, self.seen = method, [], []

    def views(self, batch, models):
        inner, seen = self.method.views(batch, models), None
        while True:
            try:
                item = inner.send(seen)
            except StopIteration:
                return
            views = item.views if isinstance(item, Joint) else item
            self.given += views if isinstance(views, tuple) else (views,)
            seen = yield item
            self.seen.append(seen)


def yielded(lab: Rig, method: Any, batch: Any) -> list[Any]:
    """Every view of one real update: what is learned from one may shape the next."""
    watched = Watched(method)
    lab.update(watched, batch)
    return watched.given


class Kept(EventRecorder):
    """Keeps all events."""

    of = EventRecorder.all

    def texts(self, kind: str) -> list[str]:
        return [event.text for event in self.of(Message) if event.kind == kind]


class SameText(TextPerturbation[NoParams]):
    """Leaves every text as it is."""

    def perturb(self, text, rng):
        return text


class SameTokens(TokenPerturbation[NoParams]):
    """Leaves every token as it is."""

    def perturb(self, batch, maskable):
        return batch.ids.clone()


ROWS = [3, 17, 4, 30, 9, 1, 25, 12, 6, 8, 21, 14, 11, 2, 28, 19]  # an update's rows, in no order


def update(lab: Rig, make: Any, **options: Any) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of one update with the views that `make` gives."""
    method = Given(lab.context, make)
    loss = lab.update(method, lab.batch(method, ROWS), **options)
    return loss, dict(lab.grads)
