"""The run as a method sees it: noise, encoding, the generator, and modules handed over for training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from matekd_bench.distill.cost import Kind, Meter, Polynomial
from matekd_bench.distill.data.batches import pad
from matekd_bench.distill.device import ResolvedPrecision, seed_draws
from matekd_bench.distill.models.tokenizers import Encoder
from matekd_bench.distill.settings import Objective
from matekd_bench.distill.training.forward_passes import autocast
from matekd_bench.distill.training.step_scope import StepScope
from matekd_bench.methods.context import Tokens, WordEmbeddings
from matekd_bench.methods.rows import Perturbed
from matekd_bench.methods.views import Batch, View
from matekd_bench.seeds import seed_of
from matekd_bench.tasks.task import Task


class TrainedModule:
    """The `Trained` of a run: a method's module with its optimizer, stepped by the trainer."""

    def __init__(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        clip: float | None,
        schedule: Callable[[float], float] | None,
        name: str,
        context: RunContext,
    ) -> None:
        self.module = module
        self.optimizer = optimizer
        self.clip = clip
        self.schedule = schedule
        self.name = name
        self.learned = False
        self._context = context
        self._rates = [group["lr"] for group in optimizer.param_groups]

    def __call__(self, *args: Any, **inputs: Any) -> Any:
        """The module's output in train mode, under the run's precision, with dropout seeded and cost booked."""
        context = self._context
        self.module.train()
        seed_draws(context.moment.dropout(self.name, 0), context.device)
        book = getattr(self.module, "book", None)
        if book is not None:
            book(context.meter, self.name, *args, **inputs)
        with autocast(context.device, context.precision):
            return self.module(*args, **inputs)

    def learn(self, loss_per_example: Tensor) -> None:
        """Adds the gradient of the losses [B] of this piece, divided by the examples of the whole update."""
        batch = self._context.moment.batch
        if batch is None:
            raise RuntimeError("learn() belongs inside views()")
        (loss_per_example.sum() / batch.total).backward()
        self.learned = True

    def set_rate(self, progress: float) -> None:
        """Sets the learning rates for a share `progress` of the budget."""
        if self.schedule is not None:
            factor = self.schedule(progress)
            for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
                group["lr"] = rate * factor


class RunContext:
    """The `Context` of a run: see :class:`matekd_bench.methods.context.Context`."""

    def __init__(
        self,
        *,
        task: Task,
        seed: int,
        device: torch.device,
        precision: ResolvedPrecision,
        objective: Objective,
        student_encoder: Encoder,
        teacher_encoder: Encoder | None,
        meter: Meter,
        moment: StepScope,
        generator: Callable[[], nn.Module] | None = None,
        student: Any | None = None,
    ) -> None:
        self.task = task
        self.seed = seed
        self.device = device
        self.precision = precision
        self.meter = meter
        self.moment = moment
        self.gold_weight = objective.gold
        self.soft_weight = objective.soft
        self.trained: list[TrainedModule] = []
        self._student = student_encoder
        self._teacher = teacher_encoder
        self._generator = generator
        self._network = student
        self._sums: dict[str, tuple[Tensor | float, Tensor | float]] = {}

    @property
    def student_tokens(self) -> Tokens:
        """The student's tokenizer, as far as methods may know it."""
        return self._student.tokens

    @property
    def teacher_tokens(self) -> Tokens:
        """The teacher's tokenizer, as far as methods may know it."""
        return (self._teacher or self._student).tokens

    @cached_property
    def word_embeddings(self) -> WordEmbeddings:
        """The student's word embeddings in numbers, measured when first asked for."""
        if self._network is None:
            raise RuntimeError("this context was made without a student")
        table = self._network.get_input_embeddings().weight.detach()
        median = table.norm(dim=1).median()
        return WordEmbeddings(width=table.shape[1], median_norm=float(median), dtype=table.dtype)

    @property
    def one_vocabulary(self) -> bool:
        """Whether the teacher reads the student's ids."""
        return self._teacher is None

    def draw(self, batch: Batch, purpose: str, width: int | None = None, at: Tensor | None = None) -> Tensor:
        """Uniform noise per example: see :meth:`matekd_bench.methods.context.Context.draw`."""
        counts = batch.lengths if at is None else at.sum(dim=1).tolist()
        shape: tuple[int, ...] = () if width is None else (width,)
        rows = []
        for uid, count in zip(batch.uids, counts, strict=True):
            key = seed_of(self.seed, self.task.name, purpose, batch.phase, batch.update, uid)
            rows.append(torch.rand(count, *shape, generator=torch.Generator().manual_seed(key)))
        if at is not None:
            return torch.cat(rows).to(self.device)
        noise = torch.zeros(*batch.ids.shape, *shape)
        for index, row in enumerate(rows):
            noise[index, : len(row)] = row
        return noise.to(self.device)

    def encode(self, texts: tuple[str, ...]) -> Perturbed:
        """Tokens of a text or pair for the student and, where its tokenizer differs, for the teacher."""
        teacher = None if self._teacher is None else self._teacher([texts])[0]
        return Perturbed(texts=texts, student=self._student([texts])[0], teacher=teacher)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids of the student's tokenizer, special tokens left out."""
        return self._student.decode(ids)

    def collate(self, rows: Sequence[Perturbed], dropout: int = 1) -> View:
        """A view of perturbed rows, without gold labels, relabeled by the teacher on the same text."""
        view = self._view([row.student for row in rows], self._student)
        if self._teacher is None:
            return View(**view, teacher="same", dropout=dropout)
        teachers = [row.teacher for row in rows if row.teacher is not None]
        return View(**view, teacher=View(**self._view(teachers, self._teacher)), dropout=dropout)

    def _view(self, rows: Sequence[Any], encoder: Encoder) -> dict[str, Any]:
        ids, mask, _, types = pad(rows, encoder.tokens.pad)
        moved = {"ids": ids, "mask": mask, "types": types}
        return {name: None if value is None else value.to(self.device) for name, value in moved.items()}

    def masked_lm(self) -> nn.Module:
        """A fresh copy of the study's generator, on the device."""
        if self._generator is None:
            raise RuntimeError(
                "this study has no generator: declare needs={'generator'} in the method's record"
            )
        return self._generator().to(self.device)

    def prepare(
        self,
        module: nn.Module,
        optimizer: Callable[[Any], torch.optim.Optimizer],
        *,
        clip: float | None = None,
        schedule: Callable[[float], float] | None = None,
        name: str = "own",
    ) -> TrainedModule:
        """Hands a module to the trainer; `optimizer` is called with the module's parameters."""
        module = module.to(self.device)
        trained = TrainedModule(
            module, optimizer(module.parameters()), clip=clip, schedule=schedule, name=name, context=self
        )
        if any(other.name == name for other in self.trained):
            raise RuntimeError(f"two modules are prepared under the name '{name}'")
        self.trained.append(trained)
        flops = getattr(module, "flops", None)
        self.meter.register(name, flops if flops is not None else _unknown)
        return trained

    def report(self, name: str, total: Tensor | float, count: Tensor | float = 1.0) -> None:
        """Adds to a diagnostic whose recorded value is the sum of totals over the sum of counts.

        Tensors (scalars) are summed where they are: nothing waits for the device until the run ends.
        """
        totals, counts = self._sums.get(name, (0.0, 0.0))
        self._sums[name] = (totals + _detached(total), counts + _detached(count))

    def diagnostics(self) -> dict[str, float]:
        """Everything reported, as ratios."""
        ratios = {}
        for name, (total, count) in sorted(self._sums.items()):
            if float(count):
                ratios[name] = float(total) / float(count)
        return ratios

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` takes: the sums behind the diagnostics."""
        return {name: list(pair) for name, pair in self._sums.items()}

    def totals(self) -> dict[str, tuple[float, float]]:
        """The sums behind the diagnostics as plain numbers."""
        return {name: (float(total), float(count)) for name, (total, count) in self._sums.items()}

    def absorb(self, totals: Mapping[str, tuple[float, float]]) -> None:
        """Adds what another process reported."""
        for name, (total, count) in totals.items():
            self.report(name, total, count)

    def forget(self) -> None:
        """Begins to sum anew: what was reported is another's now."""
        self._sums.clear()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where another context was; call it before the student's weights are restored."""
        if self._network is not None:
            _ = self.word_embeddings  # measured now: they are those at the start of the run
        self._sums = {
            name: (self._placed(total), self._placed(count)) for name, (total, count) in state.items()
        }

    def _placed(self, value: Tensor | float) -> Tensor | float:
        return value.to(self.device) if isinstance(value, Tensor) else value


def _detached(value: Tensor | float) -> Tensor | float:
    return value.detach() if isinstance(value, Tensor) else value


def _unknown(kind: Kind) -> Polynomial:
    return Polynomial(0, 0, 0)
