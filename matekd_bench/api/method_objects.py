"""Methods given as objects: classes or `Method` records of a script, a notebook or a module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from matekd_bench.files.object_source import is_in_script
from matekd_bench.files.source_code import find_module
from matekd_bench.methods.method import Method
from matekd_bench.methods.perturbation import Perturbation
from matekd_bench.plugins.method_code import objects_of
from matekd_bench.plugins.origin import ProvidedBy
from matekd_bench.plugins.provided import Provided, checked_record

MethodLike: TypeAlias = str | type[Perturbation[Any]] | Method


def split_methods(
    methods: str | MethodLike | Sequence[MethodLike] | None,
) -> tuple[str | None, list[Provided[Method]]]:
    """Return the list of methods as for ``--methods``, with the names of objects, and the objects.

    Raises PluginError for an object that is not a valid method, or whose source cannot be read.
    """
    if methods is None or isinstance(methods, str):
        return methods, []
    items = methods if isinstance(methods, Sequence) else [methods]
    provided = {id(item): _provided(item) for item in items if not isinstance(item, str)}
    names = [item if isinstance(item, str) else provided[id(item)].record.name for item in items]
    return ",".join(names), list(provided.values())


def _provided(item: Any) -> Provided[Method]:
    """Return the record of an object with its origin: its module, or else this process."""
    method = checked_record(item, "methods", Method)
    module = _module_of(method)
    spec = None if any(map(is_in_script, objects_of(method).values())) else find_module(module)
    in_process = Provided(method, ProvidedBy(plugin=method.name, in_process=True), module)
    provided = in_process
    if spec is not None and spec.origin is not None:
        provided = Provided(method, ProvidedBy(plugin=module, path=spec.origin), module)
    # The code is read now: if the definition changes later, this is still the code that was given.
    return in_process if provided.code.digest is None and in_process.code else provided


def _module_of(method: Method) -> str:
    function: Any = method.factory
    while hasattr(function, "func"):  # functools.partial
        function = function.func
    return str(getattr(function, "__module__", ""))
