"""The two terms of the one objective: the loss on gold labels and the divergence from the teacher.

The objective of every method is ``gold * CE + soft * D`` per example, summed over its views with their shares.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor


def wide(logits: Tensor) -> Tensor:
    """Logits in at least float32: half precision is widened, float64 references stay exact."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def divergence(
    student: Tensor,
    teacher: Tensor,
    *,
    temperature: float,
    regression: bool,
    form: Literal["kl", "cross-entropy"] = "kl",
) -> Tensor:
    """D per example [B] for logits [B, C].

    Classification: ``KL(softmax(t / tau) || softmax(s / tau)) * tau^2``, or with `form` "cross-entropy" that of Hinton
    et al. (2015, arXiv 1503.02531), which adds the teacher's entropy: its gradient in s is the same, in t it is not.
    Regression: squared error between the outputs in either form. Differentiable in both arguments.
    """
    student, teacher = wide(student), wide(teacher)
    dtype = torch.promote_types(student.dtype, teacher.dtype)
    student, teacher = student.to(dtype), teacher.to(dtype)
    if regression:
        return (student - teacher).square().mean(dim=-1)
    t = F.log_softmax(teacher / temperature, dim=-1)
    s = F.log_softmax(student / temperature, dim=-1)
    apart = t - s if form == "kl" else -s
    return (t.exp() * apart).sum(dim=-1) * temperature**2


def gold_loss(student: Tensor, labels: Tensor, *, regression: bool) -> Tensor:
    """The loss on gold labels per example [B]: cross-entropy, or squared error for regression.

    `labels` are class ids [B], distributions over classes [B, C], or scores [B] for regression.
    """
    student = wide(student)
    if regression:
        return (student.squeeze(-1) - labels.to(student.dtype)).square()
    if labels.dtype.is_floating_point:
        labels = labels.to(student.dtype)
    return F.cross_entropy(student, labels, reduction="none")
