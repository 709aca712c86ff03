"""Loading one plugin: import it, register it, ask its hooks one at a time, check what they give."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import pluggy

from matekd_bench.errors import BenchError, PluginError, renamed
from matekd_bench.methods.method import Method
from matekd_bench.plugins import event_hookspecs, hookspecs
from matekd_bench.plugins.calling import call, current_name, refuse_wrappers, register
from matekd_bench.plugins.discovery import Candidate
from matekd_bench.plugins.provided import KINDS, AnyRecord, PluginInfo, Provided, checked, kind_of

SPECS: list[ModuleType | type] = [hookspecs, event_hookspecs]
ARGUMENTS: Mapping[str, Any] = {}  # of the hooks that offer something: none so far


def new_manager() -> pluggy.PluginManager:
    """A plugin manager that knows the hooks and no plugin."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    for specs in SPECS:
        manager.add_hookspecs(specs)
    return manager


def load_one(
    manager: pluggy.PluginManager, candidate: Candidate
) -> tuple[PluginInfo, list[Provided[AnyRecord]]]:
    """Imports, registers and asks one plugin; whatever it raises becomes the reason in its own row."""
    plugin: object | None = None
    try:
        plugin = candidate.load()
        notices = register(manager, plugin, str(candidate.by))
        events = _events(manager, plugin)
        records = list(_ask(manager, plugin))
    # A plugin is foreign code: nothing it raises, not even SystemExit, may cost the user the other plugins.
    except (Exception, SystemExit) as error:
        if plugin is not None and manager.get_plugin(str(candidate.by)) is plugin:
            manager.unregister(plugin)
        return PluginInfo(candidate.by, status="broken", reason=one_line(error)), []
    offered = [record for record in records if not (isinstance(record, Method) and record.refused)]
    names = (*(f"{kind_of(record)} {record.name}" for record in offered), *events)
    info = PluginInfo(candidate.by, provides=names, notices=notices)
    return info, [Provided(record, candidate.by) for record in records]


def _events(manager: pluggy.PluginManager, plugin: object) -> tuple[str, ...]:
    """What the plugin wants to be told, e.g. "event evaluated"; a marked function that is no hook is an error."""
    callers = manager.get_hookcallers(plugin) or []
    if not callers:
        raise PluginError(f"it implements no hook; mark {', '.join(KINDS)} or an event with @hookimpl.")
    found = []
    for caller in callers:
        for implementation in _own(caller, plugin):
            refuse_wrappers(implementation)
            if not caller.has_spec() and not implementation.optionalhook:
                [near] = difflib.get_close_matches(caller.name, _hooks(manager), n=1, cutoff=0)
                raise PluginError(
                    f"there is no hook '{caller.name}': did you mean '{renamed(caller.name) or near}'?"
                )
        if caller.has_spec() and (name := current_name(caller)) not in KINDS:
            found.append(f"event {name.removeprefix('matekd_bench_').replace('_', ' ')}")
    return tuple(found)


def _ask(manager: pluggy.PluginManager, plugin: object) -> Iterator[AnyRecord]:
    """The records of every hook by which the plugin offers something."""
    for caller in manager.get_hookcallers(plugin) or []:
        name = current_name(caller)
        for implementation in _own(caller, plugin):
            if caller.has_spec() and name in KINDS:
                yield from checked(call(implementation, caller, ARGUMENTS), name)


def _own(caller: pluggy.HookCaller, plugin: object) -> Iterator[pluggy.HookImpl]:
    return (found for found in caller.get_hookimpls() if found.plugin is plugin)


def _hooks(manager: pluggy.PluginManager) -> list[str]:
    return [name for name, caller in vars(manager.hook).items() if caller.has_spec()]


def one_line(error: BaseException) -> str:
    """What was raised, in one line: our own errors as they are, others with their type."""
    text = " ".join(str(error).split())
    return text if isinstance(error, BenchError) else f"{type(error).__name__}: {text}".removesuffix(": ")
