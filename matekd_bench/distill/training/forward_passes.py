"""Teacher and student behind one door: every forward pass is seeded, cast, booked and kept free of needless graphs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from matekd_bench.distill.cost import Kind, Meter
from matekd_bench.distill.device import ResolvedPrecision, seed_draws
from matekd_bench.distill.models.networks import text_inputs
from matekd_bench.distill.settings import Objective
from matekd_bench.distill.training.loss import divergence, gold_loss, wide
from matekd_bench.distill.training.step_scope import StepScope
from matekd_bench.methods.views import Batch, View


def autocast(device: torch.device, precision: ResolvedPrecision) -> torch.autocast:
    """bf16 autocast, or none, on the device."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


class RunModels:
    """The `Models` of a run: see :class:`matekd_bench.methods.context.Models`."""

    def __init__(
        self,
        student: Any,
        teacher: Any | None,
        *,
        objective: Objective,
        regression: bool,
        precision: ResolvedPrecision,
        moment: StepScope,
        meter: Meter,
    ) -> None:
        self.student = student
        self.teacher = teacher
        self.regression = regression
        self.meter = meter
        self._objective = objective
        self._precision = precision
        self._moment = moment
        self._frozen = False
        self._device = next(student.parameters()).device

    @property
    def frozen(self) -> bool:
        """Whether we are inside :meth:`frozen_student`."""
        return self._frozen

    def student_logits(self, *views: View, train: bool = True, precise: bool = False) -> Any:
        """Student logits [B, C] of each view, in train mode (dropout on) unless `train` is false."""
        if self.student.training is not train:
            self.student.train(train)
        logits = []
        for view in views:
            if train:
                seed_draws(self._moment.dropout("student", view.dropout), self._device)
            precision: ResolvedPrecision = "float32" if precise or view.precise else self._precision
            logits.append(self._forward("student", self.student, view, view.shift, precision))
        return logits[0] if len(views) == 1 else tuple(logits)

    def teacher_logits(self, *views: View) -> Any:
        """Teacher logits [B, C] of each view; gradients flow to the view's embeddings if it asks for them."""
        if self.teacher is None:
            raise RuntimeError("this run has no teacher")
        logits = [self._forward("teacher", self.teacher, view, None, self._precision) for view in views]
        return logits[0] if len(views) == 1 else tuple(logits)

    def clean_logits(self, batch: Batch) -> Tensor:
        """The teacher's cached logits [B, C] of the clean input, or a fresh pass where there are none."""
        if batch.teacher_logits is not None:
            return batch.teacher_logits
        with torch.no_grad():
            logits: Tensor = self.teacher_logits(batch.clean)
        return logits

    def divergence(self, student: Tensor, teacher: Tensor) -> Tensor:
        """D per example [B] in the study's form and temperature; squared error for regression."""
        return divergence(
            student, teacher, temperature=self._objective.temperature, regression=self.regression,
            form=self._objective.divergence,
        )  # fmt: skip

    def distance(self, student: Tensor, teacher: Tensor) -> Tensor:
        """What diagnostics report: D as KL, zero for equal answers, whatever form the objective has."""
        return divergence(
            student, teacher, temperature=self._objective.temperature, regression=self.regression
        )

    def gold(self, student: Tensor, labels: Tensor) -> Tensor:
        """The loss on gold labels per example [B]."""
        return gold_loss(student, labels, regression=self.regression)

    @contextlib.contextmanager
    def frozen_student(self) -> Iterator[None]:
        """Within it the student's weights ask for no gradient; gradients still flow through to embeddings."""
        self.student.requires_grad_(False)
        self._frozen = True
        try:
            yield
        finally:
            self.student.requires_grad_(True)
            self._frozen = False

    def _forward(
        self, name: str, model: Any, view: View, shift: Tensor | None, precision: ResolvedPrecision
    ) -> Tensor:
        inputs, embedded = _inputs(model, view, shift)
        self.meter.book(name, _kind(model, embedded), *view.ids.shape)
        with autocast(self._device, precision):
            logits = model(**inputs).logits
        return wide(logits)


def _inputs(model: Any, view: View, shift: Tensor | None) -> tuple[dict[str, Tensor], Tensor | None]:
    inputs = text_inputs(model, view.mask, view.types)
    if view.embed is None and shift is None:
        return {"input_ids": view.ids, **inputs}, None
    table: nn.Embedding = model.get_input_embeddings()
    embedded = table(view.ids) if view.embed is None else view.embed(table)
    if shift is not None:
        embedded = embedded + shift
    return {"inputs_embeds": embedded, **inputs}, embedded


def _kind(model: Any, embedded: Tensor | None) -> Kind:
    if not torch.is_grad_enabled():
        return "forward"
    if next(model.parameters()).requires_grad:
        return "train"
    return "inputs" if embedded is not None and embedded.requires_grad else "forward"
