"""Loading one plugin: import it, register it, ask its hooks one at a time, check what they give."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

import pluggy

from matekd_bench.errors import BenchError, PluginError
from matekd_bench.methods.record import Method
from matekd_bench.plugins import hookspecs
from matekd_bench.plugins.discovery import Candidate
from matekd_bench.plugins.provided import KINDS, AnyRecord, PluginInfo, Provided, checked, kind_of


def new_manager() -> pluggy.PluginManager:
    """A plugin manager that knows the hooks and no plugin."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def load_one(
    manager: pluggy.PluginManager, candidate: Candidate
) -> tuple[PluginInfo, list[Provided[AnyRecord]]]:
    """Imports, registers and asks one plugin; whatever it raises becomes the reason in its own row."""
    plugin: object | None = None
    try:
        plugin = candidate.load()
        manager.register(plugin, name=str(candidate.by))
        records = list(_ask(manager, plugin))
    # A plugin is foreign code: nothing it raises, not even SystemExit, may cost the user the other plugins.
    except (Exception, SystemExit) as error:
        if plugin is not None and manager.get_plugin(str(candidate.by)) is plugin:
            manager.unregister(plugin)
        return PluginInfo(candidate.by, status="broken", reason=_one_line(error)), []
    offered = [record for record in records if not (isinstance(record, Method) and record.refused)]
    names = tuple(f"{kind_of(record)} {record.name}" for record in offered)
    return PluginInfo(candidate.by, provides=names), [Provided(record, candidate.by) for record in records]


def _ask(manager: pluggy.PluginManager, plugin: object) -> Iterator[AnyRecord]:
    """The records of every hook the plugin implements; a marked function that is no hook is an error."""
    callers = manager.get_hookcallers(plugin) or []
    if not callers:
        raise PluginError(f"it implements no hook; mark {', '.join(KINDS)} with @hookimpl.")
    for caller in callers:
        for implementation in caller.get_hookimpls():
            if implementation.plugin is not plugin:
                continue
            if caller.has_spec():
                yield from checked(implementation.function(), caller.name)
            elif not implementation.optionalhook:
                near = difflib.get_close_matches(caller.name, KINDS, n=1, cutoff=0)
                raise PluginError(f"there is no hook '{caller.name}': did you mean '{near[0]}'?")


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, BenchError) else f"{type(error).__name__}: {text}".removesuffix(": ")
