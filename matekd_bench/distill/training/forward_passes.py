"""Forward passes of teacher and student, with seeded dropout, autocast and counted cost."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from matekd_bench.distill.device import DTYPES, ResolvedPrecision, seed_draws
from matekd_bench.distill.flops import Kind, Meter
from matekd_bench.distill.models.model_inputs import text_inputs, word_table
from matekd_bench.distill.models.score_units import ScoreUnits
from matekd_bench.distill.settings import Objective
from matekd_bench.distill.training.loss import divergence, gold_loss, upcast
from matekd_bench.errors import PluginError
from matekd_bench.methods.views import Batch, View
from matekd_bench.seeds import seed_of


def autocast(device: torch.device, precision: ResolvedPrecision) -> torch.autocast:
    """Return a context with autocast to bf16 or fp16 on the device, or with autocast off for float32."""
    half = (
        torch.bfloat16 if precision == "float32" else DTYPES[precision]
    )  # autocast warns of float32, even if off
    return torch.autocast(device.type, dtype=half, enabled=precision != "float32")


class StepScope:
    """The current position in a run: seed, task and the batch that is being trained, if any."""

    def __init__(self, seed: int, task: str) -> None:
        self._key = (seed, task)
        self.batch: Batch | None = None

    def dropout(self, owner: str, number: int) -> int:
        """Return the dropout seed of a forward pass of the model or module `owner` at this position.

        Passes with the same `number` at the same position get the same masks.
        """
        batch = self.batch
        if batch is None:
            return seed_of(*self._key, "dropout", owner, "outside", number)
        return seed_of(*self._key, "dropout", owner, batch.phase, batch.update, batch.offset, number)


class RunModels:
    """The student and teacher of a run; implements :class:`matekd_bench.methods.context.Models`.

    `scope` gives the seeds of dropout and `meter` counts the passes. `units` are those in which a regression's teacher
    answers; None if its answers are standardized like the student's.
    """

    def __init__(
        self,
        student: Any,
        teacher: Any | None,
        *,
        objective: Objective,
        regression: bool,
        precision: ResolvedPrecision,
        scope: StepScope,
        meter: Meter,
        units: ScoreUnits | None = None,
    ) -> None:
        self.student = student
        self.teacher = teacher
        self.regression = regression
        self.meter = meter
        self._objective = objective
        self._precision = precision
        self._scope = scope
        self._units = units
        self._frozen = False
        self._device = next(student.parameters()).device

    @property
    def frozen(self) -> bool:
        """True inside :meth:`frozen_student`."""
        return self._frozen

    def student_logits(self, *views: View, train: bool = True, precise: bool = False) -> Any:
        """Return the student's logits [B, C] of a view, or a tuple for several; dropout is on unless `train` is false.

        `precise` runs the pass in float32 if the run uses autocast; so does the view's own `precise`.
        """
        if self.student.training is not train:
            self.student.train(train)
        logits = []
        for view in views:
            if train:  # for each view: views with the same dropout number use the same masks
                seed_draws(self._scope.dropout("student", view.dropout), self._device)
            precision: ResolvedPrecision = "float32" if precise or view.precise else self._precision
            logits.append(self._forward("student", self.student, view, view.shift, precision))
        return logits[0] if len(views) == 1 else tuple(logits)

    def teacher_logits(self, *views: View) -> Any:
        """Return the teacher's logits [B, C] of a view, or a tuple for several; for a regression, standardized scores.

        Gradients flow to embeddings of the view that require them. The view's shift is for the student only.
        """
        if self.teacher is None:
            raise PluginError(
                "the method asks the teacher about input other than the training rows, but the teacher's answers come "
                "from a file: leave out the method, or name a teacher with --teacher."
            )
        logits = [self._forward("teacher", self.teacher, view, None, self._precision) for view in views]
        if self._units is not None:
            logits = [self._units.standardize(scores) for scores in logits]
        return logits[0] if len(views) == 1 else tuple(logits)

    def clean_logits(self, batch: Batch) -> Tensor:
        """Return the teacher's logits [B, C] of the clean input: cached, or from a new pass without a graph."""
        if batch.teacher_logits is not None:
            return batch.teacher_logits
        with torch.no_grad():
            logits: Tensor = self.teacher_logits(batch.clean)
        return logits

    def divergence(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return D per example [B] in the study's form and temperature; squared error for regression."""
        return divergence(
            student, teacher, temperature=self._objective.temperature, regression=self.regression,
            form=self._objective.divergence,
        )  # fmt: skip

    def distance(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return D per example [B] as KL in every study, for diagnostics: it is zero if the two agree."""
        return divergence(
            student, teacher, temperature=self._objective.temperature, regression=self.regression
        )

    def gold(self, student: Tensor, labels: Tensor) -> Tensor:
        """Return the loss on gold labels per example [B]."""
        return gold_loss(student, labels, regression=self.regression)

    @contextlib.contextmanager
    def frozen_student(self) -> Iterator[None]:
        """Switch off gradients of the student's weights inside the block; gradients of embeddings still flow."""
        self.student.requires_grad_(False)
        self._frozen = True
        try:
            yield
        finally:
            self.student.requires_grad_(True)  # all of them: the suite trains every weight of a student
            self._frozen = False

    def _forward(
        self, name: str, model: Any, view: View, shift: Tensor | None, precision: ResolvedPrecision
    ) -> Tensor:
        """Count and run one pass of `model` on a view, with `shift` added to the word embeddings."""
        inputs, embedded = _inputs(model, view, shift)
        self.meter.book(name, _kind(model, embedded), *view.ids.shape)
        with autocast(self._device, precision):
            logits = model(**inputs).logits
        return upcast(logits)


def _inputs(model: Any, view: View, shift: Tensor | None) -> tuple[dict[str, Tensor], Tensor | None]:
    """Return the model's inputs for a view, and the word embeddings [B, L, width] if these are among them."""
    inputs = text_inputs(model, view.mask, view.types)
    if view.embed is None and shift is None:
        return {"input_ids": view.ids, **inputs}, None
    table = word_table(model)
    embedded = table(view.ids) if view.embed is None else view.embed(table)
    if shift is not None:
        embedded = embedded + shift
    return {"inputs_embeds": embedded, **inputs}, embedded


def _kind(model: Any, embedded: Tensor | None) -> Kind:
    """Return the kind of pass that the meter counts, by what a backward pass would compute."""
    if not torch.is_grad_enabled():
        return "forward"
    if next(model.parameters()).requires_grad:
        return "train"
    return "inputs" if embedded is not None and embedded.requires_grad else "forward"
