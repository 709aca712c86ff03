"""Loads one plugin: imports it, registers it, calls its hooks one at a time and checks the records they return."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import pluggy

from matekd_bench.errors import PluginError, defined_at, one_line
from matekd_bench.foreign_code import foreign_code
from matekd_bench.methods.method import Method
from matekd_bench.plugins import event_hookspecs, hookspecs
from matekd_bench.plugins.calling import call, register
from matekd_bench.plugins.discovery import Candidate
from matekd_bench.plugins.origin import ProvidedBy
from matekd_bench.plugins.provided import KINDS, AnyRecord, PluginInfo, Provided, checked_records, kind_of

SPECS: list[ModuleType | type] = [hookspecs, event_hookspecs]
ARGUMENTS: Mapping[str, Any] = {}  # passed to the hooks that provide records: none so far


def new_manager() -> pluggy.PluginManager:
    """Return a plugin manager that knows all hooks and no plugin."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    for specs in SPECS:
        manager.add_hookspecs(specs)
    return manager


def load_one(
    manager: pluggy.PluginManager, candidate: Candidate
) -> tuple[PluginInfo, list[Provided[AnyRecord]]]:
    """Import and register one plugin, and collect its records.

    Returns its row in the list of plugins and its records. If the plugin raises, the row gives the reason, and there
    are no records.
    """
    plugin: object | None = None
    try:
        with foreign_code():
            plugin = candidate.load()
            register(manager, plugin, str(candidate.by))
            events = _events(manager, plugin)
            records = list(_records(manager, plugin))
            provided = _with_origin(records, candidate.by, plugin)
    except Exception as error:  # no error of one plugin may affect the other plugins
        if plugin is not None and manager.get_plugin(str(candidate.by)) is plugin:
            manager.unregister(plugin)
        return PluginInfo(candidate.by, status="broken", reason=one_line(error)), []
    offered = [record for record in records if not (isinstance(record, Method) and record.refused)]
    names = (*(f"{kind_of(record)} {record.name}" for record in offered), *events)
    return PluginInfo(candidate.by, provides=names), provided


def load_each(
    manager: pluggy.PluginManager, candidates: Iterable[Candidate]
) -> tuple[list[PluginInfo], list[Provided[AnyRecord]]]:
    """Load plugins one by one; return their rows in the list of plugins, and all records.

    Raises PluginError for a broken plugin that the user named by its path. For another one the list gives the reason.
    """
    infos, provided = [], []
    for candidate in candidates:
        info, records = load_one(manager, candidate)
        if info.status == "broken" and candidate.by.path:
            raise PluginError(f"{info.by} cannot be used: {info.reason}")
        infos.append(info)
        provided += records
    return infos, provided


def _with_origin(records: Sequence[AnyRecord], by: ProvidedBy, plugin: object) -> list[Provided[AnyRecord]]:
    """Pair the records with their plugin, and read the code of methods that are not part of matekd-bench."""
    module = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__module__
    provided = [Provided(record, by, module) for record in records]
    for entry in provided:
        if isinstance(entry.record, Method) and not by.built_in:
            _ = entry.code  # read now: if the file is edited later, this is still the code that was loaded
    return provided


def _events(manager: pluggy.PluginManager, plugin: object) -> tuple[str, ...]:
    """Return the events that the plugin implements, e.g. "event evaluated".

    Raises PluginError if it implements no hook, leaves a hook unmarked, or marks a function that is not a hook.
    """
    callers = manager.get_hookcallers(plugin) or []
    _check_marks(manager, plugin, {caller.name for caller in callers})
    if not callers:
        raise PluginError(
            f"it implements no hook; mark at least one of {', '.join(KINDS)} or an event hook with @hookimpl."
        )
    events = []
    for caller in callers:
        for implementation in _implementations_of(caller, plugin):
            if not caller.has_spec() and not implementation.optionalhook:
                [near] = difflib.get_close_matches(caller.name, _hook_names(manager), n=1, cutoff=0)
                raise PluginError(f"there is no hook '{caller.name}': did you mean '{near}'?")
        if caller.has_spec() and caller.name not in KINDS:
            events.append(f"event {caller.name.removeprefix('matekd_bench_').replace('_', ' ')}")
    return tuple(events)


def _check_marks(manager: pluggy.PluginManager, plugin: object, marked: Container[str]) -> None:
    """Raise PluginError for an unmarked function with the name of a hook, which would never be called."""
    for name in _hook_names(manager):
        function = getattr(plugin, name, None)
        if name not in marked and inspect.isroutine(function):
            raise PluginError(f"mark {name} with @hookimpl, or it is never called{defined_at(function)}.")


def _records(manager: pluggy.PluginManager, plugin: object) -> Iterator[AnyRecord]:
    """Yield the checked records that the plugin's hooks provide."""
    for caller in manager.get_hookcallers(plugin) or []:
        for implementation in _implementations_of(caller, plugin):
            if caller.name in KINDS:
                yield from checked_records(call(implementation, ARGUMENTS), caller.name)


def _implementations_of(caller: pluggy.HookCaller, plugin: object) -> Iterator[pluggy.HookImpl]:
    return (implementation for implementation in caller.get_hookimpls() if implementation.plugin is plugin)


def _hook_names(manager: pluggy.PluginManager) -> list[str]:
    return [name for name, caller in vars(manager.hook).items() if caller.has_spec()]
