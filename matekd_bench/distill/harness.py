"""Run a method on a few rows outside a study, for previews, contract checks and benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from matekd_bench.distill.data.batches import Assembler, to_device
from matekd_bench.distill.data.corpus import Corpus
from matekd_bench.distill.data.order import PlannedUpdate
from matekd_bench.distill.device import ResolvedPrecision
from matekd_bench.distill.flops import FlopModel, Meter
from matekd_bench.distill.models.tokenizers import Encoder
from matekd_bench.distill.settings import AuxiliaryUpdates, BudgetLimit, Objective, Optimizer
from matekd_bench.distill.training.forward_passes import RunModels
from matekd_bench.distill.training.run_context import RunContext
from matekd_bench.distill.training.step_scope import StepScope
from matekd_bench.distill.training.trainer import Trainer
from matekd_bench.methods.context import Models
from matekd_bench.methods.method import Method, Params
from matekd_bench.methods.perturbation import Perturbation, TextPerturbation, make_perturbation
from matekd_bench.methods.views import Batch, Joint, View
from matekd_bench.seeds import seed_of
from matekd_bench.tasks.task import Task

if TYPE_CHECKING:
    from matekd_bench.methods.perturbation import Views


@dataclass(frozen=True)
class HarnessParts:
    """The data, networks and settings that a method works with.

    `teacher_encoder` is None if teacher and student share a vocabulary. `generator` returns a fresh copy of the
    generator at each call; it is None in a study without one.
    """

    task: Task
    corpus: Corpus
    student: Any
    teacher: Any
    student_encoder: Encoder
    teacher_encoder: Encoder | None
    generator: Callable[[], nn.Module] | None
    objective: Objective
    device: torch.device
    precision: ResolvedPrecision


class MethodHarness:
    """One method with the models, context and meter that a run would give it.

    `context_type` may be a subclass of `RunContext` that records more than a run needs. The constructor seeds torch's
    global generator as a run does: call it inside :func:`matekd_bench.distill.device.contained_randomness`.
    """

    def __init__(
        self,
        method: Method,
        params: Params,
        parts: HarnessParts,
        *,
        name: str,
        seed: int = 0,
        context_type: type[RunContext] = RunContext,
    ) -> None:
        self.name, self.parts, self.seed = name, parts, seed
        task = parts.task
        self.meter, self.scope = Meter(), StepScope(seed, task.name)
        self.meter.register("student", FlopModel(parts.student))
        self.meter.register("teacher", FlopModel(parts.teacher))
        self.context = context_type(
            task=task, seed=seed, device=parts.device, precision=parts.precision, objective=parts.objective,
            student_encoder=parts.student_encoder, teacher_encoder=parts.teacher_encoder, meter=self.meter,
            scope=self.scope, generator=parts.generator if "generator" in method.needs else None,
            student=parts.student,
        )  # fmt: skip
        self.models = RunModels(
            parts.student, parts.teacher, objective=parts.objective, regression=not task.labels,
            precision=parts.precision, scope=self.scope, meter=self.meter,
        )  # fmt: skip
        torch.manual_seed(seed_of(seed, task.name, "method-init"))  # for modules that the method makes itself
        self.method = make_perturbation(method, params, self.context, name)
        if isinstance(self.method, TextPerturbation):
            self.method.prepare([text for texts in parts.corpus.texts for text in texts])

    def assembler(self) -> Assembler:
        """Make an assembler of the corpus's batches, including what the method prepares for them."""
        return Assembler(self.parts.corpus, self.seed, self.parts.task.name, self.method.ahead)

    def batch(
        self,
        rows: Sequence[int],
        *,
        update: int = 0,
        epoch: int = 0,
        phase: Literal["student", "own"] = "student",
    ) -> Batch:
        """Make the batch of these rows of the corpus, on the device."""
        return to_device(self.assembler()(PlannedUpdate(phase, update, epoch, list(rows))), self.parts.device)

    def trainer(
        self,
        method: Perturbation[Any],
        optimizer: Optimizer,
        budget: BudgetLimit,
        auxiliary_updates: AuxiliaryUpdates = "besides",
    ) -> Trainer:
        """Make a run's trainer for `method`: the harness's own method or a :class:`ViewRelay` of it."""
        return Trainer(
            name=self.name, models=self.models, perturbation=method, context=self.context, optimizer=optimizer,
            objective=self.parts.objective, budget=budget, auxiliary_updates=auxiliary_updates,
        )  # fmt: skip


class ViewRelay(Perturbation[Any]):
    """A method that passes on the views of another method and shows them to an observer.

    `show(batch, models, views)` gets the views of every yielded item before the trainer does. The other method's code
    runs inside the context manager `around()`; the trainer's code does not.
    """

    def __init__(
        self,
        method: Perturbation[Any],
        show: Callable[[Batch, Models, tuple[View, ...]], None] = lambda batch, models, views: None,
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        super().__init__(method.params, method.context)
        self.cycle = method.cycle
        self._method, self._show, self._around = method, show, around

    def views(self, batch: Batch, models: Models) -> Views:
        """Yield what the other method yields, and send back to it what the trainer returns."""
        with closing(self._method.views(batch, models)) as items:
            with self._around():
                item = next(items, None)
            while item is not None:
                self._show(batch, models, views_of(item))
                seen = yield item
                with self._around():
                    try:
                        item = items.send(seen)
                    except StopIteration:
                        item = None


def views_of(item: View | tuple[View, ...] | Joint) -> tuple[View, ...]:
    """Return the views of one item that a method yields, as a tuple."""
    views = item.views if isinstance(item, Joint) else item
    return views if isinstance(views, tuple) else (views,)
