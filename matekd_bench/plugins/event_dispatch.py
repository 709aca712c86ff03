"""Sends the events of a study to plugins and trackers; one that raises gets no further events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

import pluggy

from matekd_bench.errors import PluginError, UsageError, one_line
from matekd_bench.plugins.calling import call, current_name, refuse_wrappers
from matekd_bench.plugins.host import Host
from matekd_bench.plugins.provided import Provided
from matekd_bench.plugins.record_types import Exporter, Tracker

# Errors of a plugin that cost only that plugin, SystemExit included. KeyboardInterrupt still stops the whole program.
PLUGIN_ERRORS = (Exception, SystemExit)


def chosen_trackers(host: Host, names: str | None) -> list[Provided[Tracker]]:
    """Return the trackers named in a comma-separated list.

    Raises UsageError for an unknown tracker and for one whose packages are not installed.
    """
    wanted = dict.fromkeys(name.strip() for name in (names or "").split(",") if name.strip())
    trackers = [host.get("tracker", name, host.trackers) for name in wanted]
    for tracker in trackers:
        check_packages(f"tracker '{tracker.record.name}'", tracker.record)
    return trackers


def check_packages(label: str, record: Tracker | Exporter) -> None:
    """Raise UsageError if a module that `record` requires is missing; the hint is the command that installs it.

    `label` names the record in the message.
    """
    missing = [module for module in record.requires if not _importable(module)]
    if missing:
        raise UsageError(
            f"{label} needs the package '{missing[0]}', which is not installed.",
            hint=f"Get it with: {record.install or f'pip install {missing[0]}'}",
        )


def _importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is absent
        return False


class EventDispatcher:
    """A sender of events to every plugin of a host and to the trackers that were started.

    `warn` shows one line to the user. Leaving the context manager unregisters the trackers.
    """

    def __init__(self, host: Host, warn: Callable[[str], None]) -> None:
        self._manager = host.manager
        self._warn = warn
        self._started: list[object] = []
        self._silenced: set[int] = set()

    def start(self, tracker: Provided[Tracker], results: Path) -> None:
        """Start a tracker.

        Raises PluginError if it cannot be started or implements no event. The user asked for it, so the study stops
        before any training.
        """
        name = f"tracker '{tracker.record.name}'"
        try:
            listener = tracker.record.start(results)
            self._manager.register(listener, name=name)
        except PLUGIN_ERRORS as error:
            raise PluginError(f"{name} of {tracker.by} cannot be started: {one_line(error)}") from error
        self._started.append(listener)
        callers = self._manager.get_hookcallers(listener) or []
        for caller in callers:
            for implementation in caller.get_hookimpls():
                refuse_wrappers(implementation)
        if not any(caller.has_spec() for caller in callers):
            raise PluginError(f"{name} of {tracker.by} implements no event: mark its methods with @hookimpl.")

    def dispatch(self, event: str, **arguments: Any) -> None:
        """Call every implementation of an event with those of the arguments that it takes."""
        for caller, implementation in self._implementations(event):
            if id(implementation.plugin) in self._silenced:
                continue
            try:
                call(implementation, caller, arguments)
            except PLUGIN_ERRORS as error:
                self._silenced.add(id(implementation.plugin))
                name = implementation.plugin_name.removesuffix(".")
                self._warn(f"{name} failed at '{event}' and is told nothing more: {one_line(error)}")

    def _implementations(self, event: str) -> Iterator[tuple[pluggy.HookCaller, pluggy.HookImpl]]:
        """Yield the implementations of the event and of its old names in pluggy's order: last registered first."""
        for caller in vars(self._manager.hook).values():
            if caller.has_spec() and current_name(caller) == event:
                yield from ((caller, implementation) for implementation in reversed(caller.get_hookimpls()))

    def __enter__(self) -> EventDispatcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for listener in self._started:
            self._manager.unregister(listener)
        self._started.clear()
