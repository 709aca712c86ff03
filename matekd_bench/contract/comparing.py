"""Comparison of updates and states, bit for bit or within the rounding of the gradients' type."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from matekd_bench.contract.bench import Update

# The tolerance is the type's rounding to this power: far above rounding, far below what a dependence between rows
# changes. It is 4e-10 for float64, 7e-5 for float32, 0.02 for float16, 0.05 for bfloat16.
TOLERANCE_POWER = 0.6


def is_same(first: Update, second: Update) -> bool:
    """Return True for two updates with the same loss and gradients, bit for bit."""
    return first.loss == second.loss and first_difference(first.grads, second.grads) is None


def tolerance(grads: Iterable[Tensor]) -> float:
    """Return the relative difference that rounding may make in the coarsest type among these gradients."""
    coarsest = max((torch.finfo(grad.dtype).eps for grad in grads), default=torch.finfo(torch.float64).eps)
    return float(coarsest**TOLERANCE_POWER)


def gap(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> float:
    """Return the largest norm of a difference between two sets of gradients, relative to the norm of the first."""
    size = sum(float(value.norm()) ** 2 for value in first.values()) ** 0.5
    names = first.keys() | second.keys()
    distances = [_distance(first.get(name), second.get(name)) for name in names]
    return max(distances, default=0.0) / (size or 1.0)


def _distance(first: Tensor | None, second: Tensor | None) -> float:
    """Return the norm of the difference; a missing gradient counts as zero."""
    if first is None or second is None:
        present = first if first is not None else second
        return float(present.norm()) if present is not None else 0.0
    return float((first - second).norm())


def first_difference(first: Any, second: Any, rtol: float = 0.0, path: str = "") -> str | None:
    """Return where two states of tensors, numbers, texts, lists and dictionaries differ, or None.

    The place is a path of keys such as `seen.word`. Floats may differ by `rtol` of their size.
    """
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        pairs = ((key, first.get(key), second.get(key)) for key in [*first, *(second.keys() - first.keys())])
    elif isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)) and len(first) == len(second):
        pairs = ((index, *values) for index, values in enumerate(zip(first, second, strict=True)))
    else:
        return None if _is_equal(first, second, rtol) else path or "the whole"
    inside = (first_difference(old, new, rtol, f"{path}.{key}".lstrip(".")) for key, old, new in pairs)
    return next((place for place in inside if place is not None), None)


def _is_equal(first: Any, second: Any, rtol: float) -> bool:
    """Return True for equal values; NaN equals NaN."""
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        same = first.shape == second.shape and first.dtype == second.dtype
        return same and torch.allclose(first, second, rtol=rtol, atol=0.0, equal_nan=True)
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=rtol) or (math.isnan(first) and math.isnan(second))
    return bool(type(first) is type(second) and first == second)
