"""Names of methods and tasks in a layer of settings, replaced by the names of their records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from matekd_bench.plugins.known_names import known_methods, known_tasks

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host

BUDGETS = ((), ("teacher",), ("generator",))  # the tables that may hold a budget with limits of tasks


def with_known_names(layer: Mapping[str, Any], host: Host) -> dict[str, Any]:
    """Return a layer from `layers.expanded` with record names for other spellings, such as `matekd` for `MATE-KD`.

    Names that no record has and values of a wrong type stay as they are: both are errors later.
    """
    result = dict(layer)
    for key, known in (("methods", known_methods), ("reference", known_methods), ("tasks", known_tasks)):
        if isinstance(result.get(key), str):
            result[key] = known(result[key], host)
    if isinstance(result.get("sets"), Mapping):
        result["sets"] = {_known_parameter(key, host): value for key, value in result["sets"].items()}
    generator = result.get("generator")
    if isinstance(generator, Mapping) and isinstance(generator.get("tasks"), str):
        result["generator"] = {**generator, "tasks": known_tasks(generator["tasks"], host)}
    for path in BUDGETS:
        result = _with_known_tasks(result, (*path, "budget", "tasks"), host)
    return result


def _known_parameter(key: str, host: Host) -> str:
    """Replace the name of the method in METHOD.PARAMETER."""
    method, dot, parameter = key.rpartition(".")
    return f"{known_methods(method, host)}{dot}{parameter}"


def _with_known_tasks(table: Mapping[str, Any], path: tuple[str, ...], host: Host) -> dict[str, Any]:
    """Replace the keys of the table at `path`, which are tasks."""
    if not path:
        return {known_tasks(key, host): value for key, value in table.items()}
    inner = table.get(path[0])
    if not isinstance(inner, Mapping):
        return dict(table)
    return {**table, path[0]: _with_known_tasks(inner, path[1:], host)}
