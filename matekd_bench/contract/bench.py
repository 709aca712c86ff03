"""A method on the test bench: one update on toy text, with everything that can be seen from outside."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook

from matekd_bench.contract import toys
from matekd_bench.contract.subject import Subject
from matekd_bench.distill.data.corpus import Corpus
from matekd_bench.distill.device import contained_randomness
from matekd_bench.distill.harness import HarnessParts, MethodHarness, ViewRelay
from matekd_bench.distill.settings import Objective, Optimizer
from matekd_bench.distill.token_texts import KeepingContext
from matekd_bench.distill.training.evaluation import predict
from matekd_bench.distill.training.trainer import Trainer
from matekd_bench.methods.context import Models
from matekd_bench.methods.views import Batch, View

CPU = torch.device("cpu")
SEED = 7
ROWS = (3, 17, 4, 30, 9, 1, 25, 12, 6, 8, 21, 14)  # an update's rows, in no order
OPTIMISER = Optimizer(lr=1e-3, batch_size=len(ROWS), warmup=0.0, clip=None)


@dataclass
class Update:
    """What an update did: its loss (None in an own phase), the gradients stepped by "owner.name", the views yielded.

    `touched` names a weight of the student whose gradient the method's own code changed.
    """

    batch: Batch
    loss: float | None = None
    grads: dict[str, Tensor] = field(default_factory=dict)
    views: list[View] = field(default_factory=list)
    touched: str | None = None

    @property
    def finite(self) -> bool:
        """Whether loss and gradients are numbers."""
        values = [*self.grads.values(), torch.tensor(0.0 if self.loss is None else self.loss)]
        return all(bool(value.isfinite().all()) for value in values)


class Bench:
    """A method made anew, in float64: student of one tiny layer, teacher of two, a generator, toy text.

    `awkward` takes empty, long and strange texts instead; `dropout` switches dropout on; `reverse` gives the teacher
    another vocabulary.
    """

    def __init__(
        self,
        subject: Subject,
        kind: toys.Kind = "single",
        *,
        awkward: bool = False,
        dropout: bool = False,
        reverse: bool = False,
    ) -> None:
        task = toys.toy_task(kind)
        self.student, teacher = toys.student(kind, dropout=dropout), toys.teacher(kind, reverse=reverse)
        self.encoder, corpus = toys.encoder(), _corpus(kind, awkward, reverse)
        parts = HarnessParts(
            task=task, student=self.student, teacher=teacher, student_encoder=self.encoder,
            teacher_encoder=toys.encoder(reverse=True) if reverse else None, corpus=corpus,
            generator=partial(toys.generator, dropout=dropout),
            objective=Objective(), device=CPU, precision="float32",
        )  # fmt: skip
        with contained_randomness(CPU):
            self.shop = MethodHarness(
                subject.record,
                subject.params,
                parts,
                name=subject.name,
                seed=SEED,
                context_type=KeepingContext,
            )
        self.method = self.shop.method
        self.rows = tuple(range(len(corpus))) if awkward else ROWS

    @property
    def phases(self) -> tuple[Literal["student", "own"], ...]:
        """The phases in which the method learns."""
        return ("student", "own") if self.method.cycle else ("student",)

    def trainer(self, micro_batch: int | None = None, relay: ViewRelay | None = None) -> Trainer:
        """A trainer without warm-up and clipping."""
        optimiser = OPTIMISER.model_copy(update={"micro_batch": micro_batch})
        return self.shop.trainer(relay or self.method, optimiser, ("student_updates", 1000))

    def update(
        self,
        phase: Literal["student", "own"] = "student",
        *,
        rows: Sequence[int] | None = None,
        number: int = 2,
        micro_batch: int | None = None,
        look: Callable[[View, Batch], None] = lambda view, batch: None,
    ) -> Update:
        """One update, watched; `look` gets every view before the suite does anything with it."""
        with contained_randomness(CPU):
            done = Update(self.shop.batch(rows or self.rows, update=number, epoch=number, phase=phase))

            def show(batch: Batch, models: Models, views: tuple[View, ...]) -> None:
                done.views.extend(views)
                for view in views:
                    look(view, batch)

            relay = ViewRelay(self.method, show, partial(self._watching_student, done))
            with self._stepped(done.grads):
                done.loss = self.trainer(micro_batch, relay).update(done.batch)
        return done

    def written(self, view: View) -> bool:
        """Whether a view was made of texts, so that its positions are not those of the batch."""
        return self._context.written(view) is not None

    @property
    def _context(self) -> KeepingContext:
        assert isinstance(self.shop.context, KeepingContext)
        return self.shop.context

    def run(self, rows: Sequence[int], numbers: Iterable[int]) -> None:
        """Updates of these numbers on the same rows, each of an epoch of its own; nobody watches."""
        with contained_randomness(CPU):
            trainer = self.trainer()
            for number in numbers:
                self._context.forget()
                trainer.update(self.shop.batch(rows, update=number, epoch=number))

    @contextlib.contextmanager
    def _watching_student(self, done: Update) -> Iterator[None]:
        """Notes a gradient of the student that changes meanwhile."""
        weights = dict(self.student.named_parameters())
        before = {name: None if one.grad is None else one.grad.clone() for name, one in weights.items()}
        yield
        for name, weight in weights.items():
            old, new = before[name], weight.grad
            if new is not None and not (new.equal(old) if old is not None else not new.any()):
                done.touched = done.touched or name

    @contextlib.contextmanager
    def _stepped(self, grads: dict[str, Tensor]) -> Iterator[None]:
        """Keeps the gradients with which optimizers step; BERT's `key.bias` has none but rounding."""
        owners = {"student": self.student, **{one.name: one.module for one in self.shop.context.trained}}
        names = {
            id(weight): f"{owner}.{name}"
            for owner, module in owners.items()
            for name, weight in module.named_parameters()
        }

        def keep(optimizer: Any, args: Any, kwargs: Any) -> None:
            for weight in (weight for group in optimizer.param_groups for weight in group["params"]):
                name = names.get(id(weight), "key.bias")
                if weight.grad is not None and not name.endswith("key.bias"):
                    grads[name] = weight.grad.detach().clone()

        hook = register_optimizer_step_pre_hook(keep)
        try:
            yield
        finally:
            hook.remove()


Make = Callable[..., Bench]  # `Bench` with its subject filled in


@cache
def _corpus(kind: toys.Kind, awkward: bool, reverse: bool) -> Corpus:
    """Toy text, encoded, with labels and the teacher's logits; the same for all methods, so made once."""
    classes, encoder, theirs = bool(toys.toy_task(kind).labels), toys.encoder(), toys.encoder(reverse=reverse)
    texts = toys.awkward_texts(kind) if awkward else toys.toy_texts(kind)
    values = [row % 2 if classes else row % 11 / 2 for row in range(len(texts))]
    labels = torch.tensor(values, dtype=torch.long if classes else torch.float32)
    uids = tuple(f"row-{row}" for row in range(len(texts)))
    logits = predict(toys.teacher(kind, reverse=reverse), theirs(texts), theirs.tokens.pad)
    return Corpus(uids, texts, encoder(texts), labels, encoder.tokens.pad, logits)


def gap(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    """The largest norm of a difference between two sets of gradients, relative to the norm of the first."""
    size = sum(float(value.norm()) ** 2 for value in first.values()) ** 0.5
    names = first.keys() | second.keys()
    apart = [_apart(first.get(name), second.get(name)) for name in names]
    return max(apart, default=0.0) / (size or 1.0)


def _apart(first: Tensor | None, second: Tensor | None) -> float:
    if first is None or second is None:
        present = first if first is not None else second
        return float(present.norm()) if present is not None else 0.0
    return float((first - second).norm())
