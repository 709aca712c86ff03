"""A study's training settings as one method has them: with what its record overrides in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from matekd_bench.distill.settings import BudgetKind, Training, check_warm_up
from matekd_bench.errors import PluginError, UsageError, renamed
from matekd_bench.methods.method import Method, Params
from matekd_bench.methods.overrides import overrides_of

# What runs of one task share, because it is read, encoded or computed once for all methods.
SHARED = frozenset({"max_length", "precision", "eval_batch_size"})


def overridden(training: Training, method: Method, params: Params, kind: BudgetKind) -> Training:
    """`training` with the settings that `method` replaces, checked as the study's own are.

    Raises PluginError, before any training, for a setting that does not exist, that no method may replace, or that
    does not take the value; UsageError where it does not fit a budget of this `kind`.
    """
    overrides = overrides_of(method, params)
    if not overrides:
        return training
    table = training.model_dump()
    for name, value in overrides.items():
        _put(table, name, value, f"method '{method.name}' overrides '{name}'")
    try:
        found = Training.model_validate(table)
        check_warm_up(found.optimizer, kind)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(["training", *map(str, problem["loc"])])
        said = f"it is called '{new}' now" if (new := renamed(where)) else _plain(problem["msg"])
        raise PluginError(f"method '{method.name}' overrides '{where}': {said}.") from None
    except ValueError as error:
        raise UsageError(f"method '{method.name}' with {_said(params)}: its {error}.") from None
    return found


def _said(params: Params) -> str:
    changed = {name: value for name, value in params if value != type(params).model_fields[name].default}
    return ", ".join(f"{name}={value}" for name, value in changed.items()) or "its defaults"


def _put(table: dict[str, Any], name: str, value: Any, who: str) -> None:
    """Sets the value of a dotted name in a table of tables."""
    root, *path = name.split(".")
    if root != "training" or not path or path[0] in SHARED:
        raise PluginError(f"{who}: a method may replace settings of 'training', but not {_and(SHARED)}.")
    for key in path[:-1]:
        inner = table.get(key)
        if not isinstance(inner, Mapping):
            new = renamed(name)
            raise PluginError(f"{who}: {f'it is called {new!r} now' if new else 'there is no such setting'}.")
        table = inner  # type: ignore[assignment]
    table[path[-1]] = value


def _and(names: frozenset[str]) -> str:
    return ", ".join(f"training.{name}" for name in sorted(names))


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ").replace("Input should", "it should")
