"""The context that a run gives to its method: noise, encoding, the generator, modules to train, diagnostics."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from matekd_bench.distill.data.batches import pad
from matekd_bench.distill.device import ResolvedPrecision, generator_on, in_float64, seed_draws, send
from matekd_bench.distill.flops import Kind, Meter, Polynomial
from matekd_bench.distill.models.model_inputs import word_table
from matekd_bench.distill.models.positions import positions
from matekd_bench.distill.models.tokenizers import Encoder
from matekd_bench.distill.settings import Objective
from matekd_bench.distill.training.forward_passes import StepScope, autocast
from matekd_bench.distill.training.loss_scale import LossScale
from matekd_bench.methods.context import Tokens, WordEmbeddings
from matekd_bench.methods.rows import Perturbed
from matekd_bench.methods.views import Batch, View
from matekd_bench.seeds import seed_of
from matekd_bench.tasks.task import Task

SQUARES = "/squares"  # ends the name of a sum of squares


class TrainedModule:
    """A method's own module with its optimizer; implements :class:`matekd_bench.methods.context.Trained`.

    The trainer steps the optimizer at the end of every update in which `learn` was called (`learned` is true then).
    """

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

    @property
    def is_trainable(self) -> bool:
        """True if a weight of the module may learn."""
        return any(weight.requires_grad for weight in self.module.parameters())

    def __call__(self, *args: Any, **inputs: Any) -> Any:
        """Return the module's output in train mode, in the run's precision, with seeded dropout and counted cost."""
        context = self._context
        self.module.train()
        seed_draws(context.scope.dropout(self.name, 0), context.device)
        book = getattr(self.module, "book", None)
        if book is not None:
            book(context.meter, self.name, *args, **inputs)
        with autocast(context.device, context.precision):
            return self.module(*args, **inputs)

    def learn(self, loss_per_example: Tensor) -> None:
        """Add the gradient of this piece's losses [B], divided by the number of examples of the whole update.

        The division makes the gradient independent of how the update is cut into pieces.
        """
        batch = self._context.scope.batch
        if batch is None:
            raise RuntimeError("call learn() only inside views()")
        self._context.loss_scale.backward(loss_per_example.sum() / batch.total)
        self.learned = True

    def set_rate(self, progress: float) -> None:
        """Set the learning rates for a share `progress` in [0, 1] of the budget."""
        if self.schedule is not None:
            factor = self.schedule(progress)
            for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
                group["lr"] = rate * factor


class RunContext:
    """The context of a run; implements :class:`matekd_bench.methods.context.Context`.

    `teacher_encoder` is None if the teacher shares the student's vocabulary. `generator` returns a fresh copy of the
    study's generator; it is None for methods that do not need one. `answer_to` returns the logits [C] of a teacher that
    answered beforehand to the texts of a row; it is None for a teacher that is a network.
    """

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
        scope: StepScope,
        generator: Callable[[], nn.Module] | None = None,
        student: Any | None = None,
        answer_to: Callable[[tuple[str, ...]], Tensor] | None = None,
    ) -> None:
        self.task = task
        self.seed = seed
        self.device = device
        self.precision = precision
        self.meter = meter
        self.scope = scope
        self.gold_weight = objective.gold
        self.soft_weight = objective.soft
        self.loss_scale = LossScale(device, precision)
        self.trained: list[TrainedModule] = []
        self._student_encoder = student_encoder
        self._teacher_encoder = teacher_encoder
        self._generator = generator
        self._student = student
        self._answer_to = answer_to
        self._sums: dict[str, tuple[Tensor | float, Tensor | float]] = {}

    @property
    def student_tokens(self) -> Tokens:
        """Facts about the student's tokenizer."""
        return self._student_encoder.tokens

    @property
    def teacher_tokens(self) -> Tokens:
        """Facts about the teacher's tokenizer; the student's if the two share a vocabulary."""
        return (self._teacher_encoder or self._student_encoder).tokens

    @cached_property
    def word_embeddings(self) -> WordEmbeddings:
        """Facts about the student's word embeddings at the start of the run, measured at first use."""
        if self._student is None:
            raise RuntimeError("this context was made without a student")
        table = word_table(self._student).weight.detach()
        median = table.norm(dim=1).median()
        return WordEmbeddings(width=table.shape[1], median_norm=float(median), dtype=table.dtype)

    @property
    def one_vocabulary(self) -> bool:
        """True if the teacher reads the student's token ids."""
        return self._teacher_encoder is None

    def draw(self, batch: Batch, purpose: str, width: int | None = None, at: Tensor | None = None) -> Tensor:
        """Draw uniform noise per example: see :meth:`matekd_bench.methods.context.Context.draw`."""
        counts = batch.lengths if at is None else positions(at).counts
        shape: tuple[int, ...] = () if width is None else (width,)
        # Wide noise is drawn on the GPU that uses it. A number per token is drawn on the CPU, which is faster than a
        # kernel per example, so masked positions are the same on every device.
        origin = self.device if width is not None and self.device.type == "cuda" else torch.device("cpu")
        if at is None:
            noise = torch.zeros(*batch.ids.shape, *shape, device=origin)
            parts = [row[:count] for row, count in zip(noise, counts, strict=True)]
        else:
            noise = torch.empty(sum(counts), *shape, device=origin)
            parts = list(noise.split(counts))
        generator = generator_on(origin)
        # Seeded for each example, so that its noise does not depend on its padding, its batch or its piece.
        for uid, part in zip(batch.uids, parts, strict=True):
            key = seed_of(self.seed, self.task.name, purpose, batch.phase, batch.update, uid)
            part.uniform_(generator=generator.manual_seed(key))
        return noise if origin == self.device else send(noise, self.device)

    def encode(self, texts: tuple[str, ...]) -> Perturbed:
        """Tokenize a text or pair for the student and, if its vocabulary differs, for the teacher."""
        teacher = None if self._teacher_encoder is None else self._teacher_encoder([texts])[0]
        return Perturbed(texts=texts, student=self._student_encoder([texts])[0], teacher=teacher)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids of the student's tokenizer, without special tokens."""
        return self._student_encoder.decode(ids)

    def collate(self, rows: Sequence[Perturbed], dropout: int = 1) -> View:
        """Make a view of perturbed rows, without gold labels; its soft target is the teacher on the same text."""
        fields = self._view_fields([row.student for row in rows], self._student_encoder)
        if self._answer_to is not None:
            answers = torch.stack([self._answer_to(row.texts) for row in rows])
            return View(**fields, teacher=answers.to(self.device), dropout=dropout)
        if self._teacher_encoder is None:
            return View(**fields, teacher="same", dropout=dropout)
        teacher_rows = [row.teacher for row in rows if row.teacher is not None]
        return View(
            **fields, teacher=View(**self._view_fields(teacher_rows, self._teacher_encoder)), dropout=dropout
        )

    def _view_fields(self, rows: Sequence[Any], encoder: Encoder) -> dict[str, Any]:
        """Pad rows to the same length and return the fields of a view, on the device."""
        ids, mask, _, types = pad(rows, encoder.tokens.pad)
        fields = {"ids": ids, "mask": mask, "types": types}
        return {name: None if value is None else send(value, self.device) for name, value in fields.items()}

    def masked_lm(self) -> nn.Module:
        """Return a fresh copy of the study's generator, on the device."""
        if self._generator is None:
            raise RuntimeError(
                "the method does not declare that it needs a generator: add needs={'generator'} to its record"
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
        """Hand a module to the trainer; `optimizer` is called with the module's parameters.

        The cost of a module counts only if it has the attributes `flops` and `book`, as the core's generator has.
        """
        module = module.to(self.device)
        trained = TrainedModule(
            module, optimizer(module.parameters()), clip=clip, schedule=schedule, name=name, context=self
        )
        if any(other.name == name for other in self.trained):
            raise RuntimeError(f"two modules are prepared under the name '{name}': give them different names")
        self.trained.append(trained)
        flops = getattr(module, "flops", None)
        self.meter.register(name, flops if flops is not None else _no_flops)
        return trained

    def report(self, name: str, total: Tensor | float, count: Tensor | float = 1.0) -> None:
        """Add to a diagnostic, whose recorded value is the sum of totals divided by the sum of counts.

        Scalar tensors are summed on their device, so that nothing waits for a GPU until the run ends.
        """
        totals, counts = self._sums.get(name, (0.0, 0.0))
        self._sums[name] = (totals + _detached(total), counts + _detached(count))

    def report_values(self, name: str, values: Tensor) -> None:
        """Add values [n] to a diagnostic; the record has their mean and, as `<name>_se`, its standard error."""
        self.report(name, values.sum(), len(values))
        self.report(f"{name}{SQUARES}", in_float64(values).square().sum(), len(values))

    @contextlib.contextmanager
    def measurement(self) -> Iterator[None]:
        """Switch off gradients and the counting of passes inside the block."""
        with torch.no_grad(), self.meter.paused():
            yield

    def diagnostics(self) -> dict[str, float]:
        """Return the value of every diagnostic: the sum of totals divided by the sum of counts.

        For reported values the standard error of the mean is included, ``sqrt((mean of squares - mean^2) / (n - 1))``.
        """
        ratios = {}
        for name, (total, count) in sorted(self._sums.items()):
            if float(count) and not name.endswith(SQUARES):
                ratios[name] = float(total) / float(count)
        for name in [name for name in ratios if f"{name}{SQUARES}" in self._sums]:
            squares, count = map(float, self._sums[f"{name}{SQUARES}"])
            variance = max(0.0, squares / count - ratios[name] ** 2)
            ratios[f"{name}_se"] = (variance / max(1.0, count - 1)) ** 0.5
        return ratios

    def state_dict(self) -> dict[str, Any]:
        """Return the sums of all diagnostics, for :meth:`load_state_dict`."""
        return {name: list(pair) for name, pair in self._sums.items()}

    def totals(self) -> dict[str, tuple[float, float]]:
        """Return the sums of totals and of counts of every diagnostic, as plain numbers."""
        return {name: (float(total), float(count)) for name, (total, count) in self._sums.items()}

    def absorb(self, totals: Mapping[str, tuple[float, float]]) -> None:
        """Add the sums of another process."""
        for name, (total, count) in totals.items():
            self.report(name, total, count)

    def clear_reports(self) -> None:
        """Set all sums to zero, after another process has absorbed them."""
        self._sums.clear()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Replace all sums with those of a :meth:`state_dict`; call it before the student's weights are restored."""
        if self._student is not None:
            _ = self.word_embeddings  # measured now, while the student still has its initial weights
        self._sums = {
            name: (self._to_device(total), self._to_device(count)) for name, (total, count) in state.items()
        }

    def _to_device(self, value: Tensor | float) -> Tensor | float:
        return value.to(self.device) if isinstance(value, Tensor) else value


def _detached(value: Tensor | float) -> Tensor | float:
    return value.detach() if isinstance(value, Tensor) else value


def _no_flops(kind: Kind) -> Polynomial:
    return Polynomial(0, 0, 0)
