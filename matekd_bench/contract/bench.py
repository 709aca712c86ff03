"""A method on the test bench: one update on toy text, with its loss, gradients and views recorded from outside."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook

from matekd_bench.contract import toys
from matekd_bench.contract.subject import Subject
from matekd_bench.distill.data.corpus import NO_CLASS, Corpus
from matekd_bench.distill.device import contained_randomness
from matekd_bench.distill.settings import Optimizer, Training
from matekd_bench.distill.token_texts import RecordingContext
from matekd_bench.distill.training.evaluation import predict
from matekd_bench.distill.training.session import Job, SessionParts, TrainingSession
from matekd_bench.distill.training.view_relay import ViewRelay
from matekd_bench.methods.context import Models
from matekd_bench.methods.views import Batch, View

CPU = torch.device("cpu")
SEED = 7
ROWS = (3, 17, 4, 30, 9, 1, 25, 12, 6, 8, 21, 14)  # not sorted: a method must not rely on the order of rows
# No clipping: checks compare the gradients that optimizers step with, and clipping would scale them.
OPTIMIZER = Optimizer(lr=1e-3, batch_size=len(ROWS), warmup=0.0, clip=None)
BUDGET = 1000  # more updates than any check makes, so that the decaying learning rate does not reach zero


@dataclass
class Update:
    """The record of one update: its loss, the gradients that were stepped, by "owner.name", and the views yielded.

    `loss` is None in an auxiliary phase.
    `touched` names a weight of the student whose gradient the method's own code changed, `overwritten` a tensor of the
    batch that changed. `stepped` names the optimizers that took a step and are not the trainer's.
    """

    batch: Batch
    loss: float | None = None
    grads: dict[str, Tensor] = field(default_factory=dict)
    views: list[View] = field(default_factory=list)
    touched: str | None = None
    overwritten: str | None = None
    stepped: list[str] = field(default_factory=list)

    @property
    def finite(self) -> bool:
        """True if the loss and all gradients are finite."""
        values = [*self.grads.values(), torch.tensor(0.0 if self.loss is None else self.loss)]
        return all(bool(value.isfinite().all()) for value in values)


class Bench:
    """A new instance of a method, with a student of one tiny layer, a teacher of two, a generator, and toy text.

    Everything is in float64, so that a difference well above rounding comes from the method. `awkward` takes empty,
    long and strange texts instead; `dropout` switches dropout on; `reverse` gives the teacher another vocabulary.
    `unlabeled` leaves every third row without a label. Without `warm_up` the session waits for a checkpoint to load.
    """

    def __init__(
        self,
        subject: Subject,
        kind: toys.Kind = "single",
        *,
        awkward: bool = False,
        dropout: bool = False,
        reverse: bool = False,
        unlabeled: bool = False,
        warm_up: bool = True,
    ) -> None:
        task = toys.toy_task(kind)
        self.student: Any = toys.student(kind, dropout=dropout)
        self.teacher: Any = toys.teacher(kind, reverse=reverse)
        self.encoder, corpus = toys.encoder(), _corpus(kind, awkward, reverse)
        corpus = without_labels(corpus) if unlabeled else corpus
        # "float32" means that nothing is autocast: the networks keep the float64 of the toy weights.
        parts = SessionParts(
            task=task, student=self.student, teacher=self.teacher, student_encoder=self.encoder,
            teacher_encoder=toys.encoder(reverse=True) if reverse else None, corpus=corpus,
            generator=partial(toys.generator, dropout=dropout), device=CPU, precision="float32",
        )  # fmt: skip
        job = Job(
            subject.name, subject.record, subject.params, SEED, Training(optimizer=OPTIMIZER),
            ("student_updates", BUDGET),
        )  # fmt: skip
        with contained_randomness(CPU):
            self.session = TrainingSession(parts, job, context_type=RecordingContext)
            if warm_up:
                self.session.warm_up()
        self.method = self.session.method
        self.rows = tuple(range(len(corpus))) if awkward else ROWS

    @property
    def phases(self) -> tuple[Literal["student", "own"], ...]:
        """The phases of the method's updates: "own" only if it trains a module."""
        return ("student", "own") if self.method.cycle else ("student",)

    def update(
        self,
        phase: Literal["student", "own"] = "student",
        *,
        rows: Sequence[int] | None = None,
        number: int = 2,
        micro_batch: int | None = None,
        on_view: Callable[[View, Batch], None] = lambda view, batch: None,
    ) -> Update:
        """Make one update and record it; `on_view` gets every view before the trainer does.

        `number` is the number of the update and of its epoch.
        """
        with contained_randomness(CPU):
            update = Update(self.session.batch(rows or self.rows, update=number, epoch=number, phase=phase))

            def show(batch: Batch, models: Models, views: tuple[View, ...]) -> None:
                update.views.extend(views)
                for view in views:
                    on_view(view, batch)

            trainer = self.session.trainer
            trainer.method = ViewRelay(self.method, show, partial(self._watching_student, update))
            trainer.micro_batch = micro_batch
            before = _tensors(update.batch)
            with self._recording_steps(update):
                loss = trainer.update(update.batch)
                update.loss = None if loss is None else float(loss)
            changed = (
                name for name, value in _tensors(update.batch).items() if not value.equal(before[name])
            )
            update.overwritten = next(changed, None)
        return update

    def is_rewritten(self, view: View) -> bool:
        """Return True for a view made of texts, whose positions are not those of the batch."""
        return self.texts_of(view) is not None

    def texts_of(self, view: View) -> list[tuple[str, ...]] | None:
        """Return the texts that a view was made from, row by row; None for any other view."""
        return self._context.texts_of(view)

    @property
    def _context(self) -> RecordingContext:
        assert isinstance(self.session.context, RecordingContext)
        return self.session.context

    def run(self, rows: Sequence[int], numbers: Iterable[int]) -> None:
        """Make updates of these numbers on the same rows, each in its own epoch, and record nothing."""
        with contained_randomness(CPU):
            for number in numbers:
                # RecordingContext remembers views, which a run's context does not: they would count as a leak.
                self._context.forget_views()
                self.session.trainer.update(self.session.batch(rows, update=number, epoch=number))

    @contextlib.contextmanager
    def _watching_student(self, update: Update) -> Iterator[None]:
        """Record in `update` a weight of the student whose gradient changes inside the block."""
        weights = dict(self.student.named_parameters())
        before = {
            name: None if weight.grad is None else weight.grad.clone() for name, weight in weights.items()
        }
        yield
        for name, weight in weights.items():
            old, new = before[name], weight.grad
            # a zero gradient in place of none changes nothing
            if new is not None and not (new.equal(old) if old is not None else not new.any()):
                update.touched = update.touched or name

    @contextlib.contextmanager
    def _recording_steps(self, update: Update) -> Iterator[None]:
        """Copy the gradients that optimizers step with inside the block, because the trainer clears them afterwards.

        BERT's `key.bias` is left out: softmax ignores it, so its gradient is only rounding error.
        """
        modules = {trained.name: trained.module for trained in self.session.context.trained}
        owners = {"student": self.student, **modules}
        names = {
            id(weight): f"{owner}.{name}"
            for owner, module in owners.items()
            for name, weight in module.named_parameters()
        }

        own = {id(optimizer) for optimizer in self.session.trainer.optimizers}

        def record(optimizer: Any, args: Any, kwargs: Any) -> None:
            if id(optimizer) not in own:
                update.stepped.append(type(optimizer).__name__)
            for weight in (weight for group in optimizer.param_groups for weight in group["params"]):
                name = names.get(id(weight), "key.bias")  # weights of other optimizers are left out as well
                if weight.grad is not None and not name.endswith("key.bias"):
                    update.grads[name] = weight.grad.detach().clone()

        hook = register_optimizer_step_pre_hook(record)
        try:
            yield
        finally:
            hook.remove()


Make = Callable[..., Bench]  # `Bench` with its subject filled in


@cache
def _corpus(kind: toys.Kind, awkward: bool, reverse: bool) -> Corpus:
    """Encode toy text, with labels and the teacher's logits; the same for all methods, so made once."""
    classes, encoder = bool(toys.toy_task(kind).labels), toys.encoder()
    teacher_encoder = toys.encoder(reverse=reverse)
    texts = toys.awkward_texts(kind) if awkward else toys.toy_texts(kind)
    # both classes in turn; scores from 0 to 5 in halves
    values = [row % 2 if classes else row % 11 / 2 for row in range(len(texts))]
    labels = torch.tensor(values, dtype=torch.long if classes else torch.float32)
    uids = tuple(f"row-{row}" for row in range(len(texts)))
    logits = predict(toys.teacher(kind, reverse=reverse), teacher_encoder(texts), teacher_encoder.tokens.pad)
    return Corpus(uids, texts, encoder(texts), labels, encoder.tokens.pad, logits)


def without_labels(corpus: Corpus) -> Corpus:
    """Return the corpus with every third row without a label."""
    labels = corpus.labels.clone()
    labels[::3] = float("nan") if labels.is_floating_point() else NO_CLASS
    return replace(corpus, labels=labels)


def _tensors(batch: Batch) -> dict[str, Tensor]:
    """Copy the tensors of a batch, by name."""
    return {name: value.clone() for name, value in vars(batch).items() if isinstance(value, Tensor)}
