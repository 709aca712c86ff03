"""The two terms of the objective: the loss on gold labels (CE) and the divergence from the teacher (D).

The objective of every method is ``gold * CE + soft * D`` per example, summed over its views with their shares;
`Trainer._loss` applies these weights.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from matekd_bench.distill.data.corpus import NO_CLASS


def upcast(logits: Tensor) -> Tensor:
    """Return logits in at least float32: half precision becomes float32, float64 stays (for exact reference values)."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def divergence(
    student: Tensor,
    teacher: Tensor,
    *,
    temperature: float,
    regression: bool,
    form: Literal["kl", "cross-entropy"] = "kl",
) -> Tensor:
    """Return D per example [B] for logits [B, C] of the student (s) and the teacher (t).

    Classification: ``KL(softmax(t / tau) || softmax(s / tau)) * tau^2``, where tau is the temperature. With `form`
    "cross-entropy": the cross-entropy of the two, times tau^2 (Hinton et al. 2015, arXiv 1503.02531). It is KL plus the
    teacher's entropy, so its gradient in s is the same and its gradient in t differs. Regression: squared error of the
    outputs, in both forms. The result is differentiable in both arguments.
    """
    student, teacher = upcast(student), upcast(teacher)
    dtype = torch.promote_types(student.dtype, teacher.dtype)
    student, teacher = student.to(dtype), teacher.to(dtype)
    if regression:
        return (student - teacher).square().mean(dim=-1)
    log_t = F.log_softmax(teacher / temperature, dim=-1)
    log_s = F.log_softmax(student / temperature, dim=-1)
    term = log_t - log_s if form == "kl" else -log_s
    return (log_t.exp() * term).sum(dim=-1) * temperature**2


def gold_loss(student: Tensor, labels: Tensor, *, regression: bool) -> Tensor:
    """Return the loss on gold labels per example [B]: cross-entropy, or squared error for regression.

    `labels` are class ids [B], distributions over classes [B, C], or scores [B] for regression. Rows without a label,
    whose class id is NO_CLASS or whose score is NaN, have loss 0 and no gradient.
    """
    student = upcast(student)
    if regression:
        output = student.squeeze(-1)
        # Replaced before the subtraction: NaN times a zero weight would still make every gradient NaN.
        labels = torch.where(labels.isnan(), output.detach(), labels.to(student.dtype))
        return (output - labels).square()
    if labels.dtype.is_floating_point:  # distributions must have the dtype of the logits, class ids must not
        labels = labels.to(student.dtype)
    return F.cross_entropy(student, labels, ignore_index=NO_CLASS, reduction="none")
