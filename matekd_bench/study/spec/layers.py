"""Layers of settings: the same keys from a preset, a config file, options or Python, merged in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from matekd_bench.distill.settings import BudgetKind
from matekd_bench.errors import UsageError, unknown
from matekd_bench.methods.params import parse_sets
from matekd_bench.study.spec.study_spec import flattened

BUDGET_KINDS: tuple[str, ...] = get_args(BudgetKind)
BUDGET_RULE = frozenset(
    {"kind", "limit", "epochs"}
)  # any of these keys replaces the whole budget of lower layers


def expanded(layer: Mapping[str, Any]) -> dict[str, Any]:
    """Return a layer with its short forms written out, so that layers can be merged key by key.

    The short forms are those of options: `teacher="MODEL"`, `budget="KIND=N"`, `sets=["METHOD.PARAMETER=VALUE"]`,
    `precision`, which belongs to `training`, and `seed=K`, which means `seeds=1` with `first_seed=K`. Values of None
    are left out.

    Raises UsageError for a malformed short form, and for a `seed` that contradicts its long forms.
    """
    result: dict[str, Any] = {}
    for key, value in layer.items():
        if value is None:
            continue
        result[key] = SHORT_FORMS[key](value) if key in SHORT_FORMS else value
    if (seed := result.pop("seed", None)) is not None:
        result |= _one_seed(seed, result)
    precision = result.pop("precision", None)
    return result if precision is None else merged(result, {"training": {"precision": precision}})


def merged(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Return `lower` with the values of `upper` merged over it, table by table.

    A budget is a single rule: a new kind, limit or number of epochs replaces the whole budget. A new checkpoint drops
    the settings in `lower` that belong to the old one: the revision, and the start from the teacher unless the student
    is again made of the teacher's layers. A teacher's checkpoint replaces a file of answers in `lower`.
    """
    result = dict(lower)
    if isinstance(teacher := upper.get("teacher"), Mapping) and "checkpoint" in teacher:
        result.pop("teacher_answers", None)
    if "checkpoint" in upper:
        result.pop("revision", None)
        if not str(upper["checkpoint"]).startswith("layers:"):
            result.pop("start", None)
    for key, value in upper.items():
        below = result.get(key)
        new_budget = key == "budget" and isinstance(value, Mapping) and BUDGET_RULE & value.keys()
        if isinstance(value, Mapping) and isinstance(below, Mapping) and not new_budget:
            result[key] = merged(below, value)
        else:
            result[key] = value
    return result


def _checkpoint(value: Any) -> Any:
    return {"checkpoint": value} if isinstance(value, str) else value


def _budget(value: Any) -> Any:
    """Parse `KIND=N` into a budget that is the same for every task; leave tables unchanged."""
    if not isinstance(value, str):
        return value
    kind, equals, number = value.partition("=")
    try:
        limit = float(number)
    except ValueError:
        limit = 0.0  # refused below
    if not equals or limit < 1 or not limit.is_integer():
        raise UsageError(
            f"--budget '{value}' must have the form KIND=N with a whole number N, e.g. student_updates=500."
        )
    if kind not in BUDGET_KINDS:
        raise unknown("budget", kind, BUDGET_KINDS)
    return {"kind": kind, "limit": int(limit)}


def _one_seed(seed: Any, layer: Mapping[str, Any]) -> dict[str, Any]:
    """Write out `seed`; raise UsageError if the same layer has other seeds."""
    long_forms = {"seeds": 1, "first_seed": seed}
    for key, value in long_forms.items():
        if layer.get(key, value) != value:
            option = f"--{key.replace('_', '-')}"
            raise UsageError(
                f"--seed {seed} runs only that seed, but {option} is {layer[key]}: remove one of them."
            )
    return long_forms


def _sets(value: Any) -> Any:
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return parse_sets(value)
    return flattened(value) if isinstance(value, Mapping) else value


SHORT_FORMS: Mapping[str, Callable[[Any], Any]] = {
    "teacher": _checkpoint,
    "student": _checkpoint,
    "generator": _checkpoint,
    "budget": _budget,
    "sets": _sets,
}
