"""The training settings of one method: the study's, with the method's overrides applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from matekd_bench.distill.settings import BudgetKind, Training, check_warm_up
from matekd_bench.errors import PluginError, UsageError, first_problem
from matekd_bench.methods.method import Method, Params
from matekd_bench.methods.overrides import overrides_of

# No method may override these: values that depend on them are computed once for all methods of a task.
SHARED = frozenset({"max_length", "precision", "eval_batch_size"})


def apply_overrides(training: Training, method: Method, params: Params, kind: BudgetKind) -> Training:
    """Return `training` with the settings that `method` overrides, checked like the study's own.

    Raises PluginError for a setting that does not exist or that no method may override, and for a value that the
    setting does not allow. Raises UsageError if the warm-up does not fit a budget of this `kind`.
    """
    overrides = overrides_of(method, params)
    if not overrides:
        return training
    table = training.model_dump()
    for name, value in overrides.items():
        _set_value(table, name, value, f"method '{method.name}' overrides '{name}'")
    try:
        replaced = Training.model_validate(table)
        check_warm_up(replaced.optimizer, kind)
    except ValidationError as error:
        problem = first_problem(error, Training)
        key = ".".join(("training", *problem.path))
        raise PluginError(f"method '{method.name}' overrides '{key}': {problem.reason}.") from None
    except ValueError as error:
        raise UsageError(f"method '{method.name}' with {_changed_params(params)}: its {error}.") from None
    return replaced


def _changed_params(params: Params) -> str:
    """List the parameters that differ from their defaults."""
    changed = {name: value for name, value in params if value != type(params).model_fields[name].default}
    return ", ".join(f"{name}={value}" for name, value in changed.items()) or "its defaults"


def _set_value(table: dict[str, Any], name: str, value: Any, who: str) -> None:
    """Set the value of a dotted name in nested tables; `who` begins the error messages."""
    root, *path = name.split(".")
    if root != "training" or not path or path[0] in SHARED:
        raise PluginError(
            f"{who}: a method may override settings of 'training', but not {_dotted_list(SHARED)}."
        )
    for key in path[:-1]:
        inner = table.get(key)
        if not isinstance(inner, Mapping):
            raise PluginError(f"{who}: no such setting exists.")
        table = inner  # type: ignore[assignment]
    table[path[-1]] = value


def _dotted_list(names: frozenset[str]) -> str:
    return ", ".join(f"training.{name}" for name in sorted(names))
