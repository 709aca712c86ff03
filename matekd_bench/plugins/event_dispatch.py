"""Telling plugins and trackers what happens in a study; one that raises is told nothing more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

import pluggy

from matekd_bench.errors import PluginError, UsageError
from matekd_bench.plugins.calling import call, current_name, refuse_wrappers
from matekd_bench.plugins.host import Host
from matekd_bench.plugins.loading import one_line
from matekd_bench.plugins.provided import Provided
from matekd_bench.plugins.record_types import Exporter, Tracker

# What stops the whole program is passed on; everything else that foreign code raises, SystemExit too, is its own.
FOREIGN = (Exception, SystemExit)


def chosen_trackers(host: Host, names: str | None) -> list[Provided[Tracker]]:
    """The trackers of a comma-separated list; UsageError for an unknown one or one whose packages are absent."""
    wanted = dict.fromkeys(name.strip() for name in (names or "").split(",") if name.strip())
    found = [host.get("tracker", name, host.trackers) for name in wanted]
    for one in found:
        check_packages(f"tracker '{one.record.name}'", one.record)
    return found


def check_packages(what: str, offer: Tracker | Exporter) -> None:
    """UsageError with the command that installs what is missing, where a module that `offer` needs is absent."""
    missing = [module for module in offer.requires if not _importable(module)]
    if missing:
        raise UsageError(
            f"{what} needs the package '{missing[0]}', which is not installed.",
            hint=f"Get it with: {offer.install or f'pip install {missing[0]}'}",
        )


def _importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is absent
        return False


class EventDispatcher:
    """Tells every plugin of a host, and the trackers that were started; `warn` shows one line to the user.

    A context manager: trackers are let go at its end.
    """

    def __init__(self, host: Host, warn: Callable[[str], None]) -> None:
        self._manager = host.manager
        self._warn = warn
        self._started: list[object] = []
        self._silenced: set[int] = set()

    def start(self, tracker: Provided[Tracker], results: Path) -> None:
        """Starts a tracker; PluginError, before any training, where it cannot be: the user asked for it."""
        name = f"tracker '{tracker.record.name}'"
        try:
            watching = tracker.record.start(results)
            self._manager.register(watching, name=name)
        except FOREIGN as error:
            raise PluginError(f"{name} of {tracker.by} cannot be started: {one_line(error)}") from error
        self._started.append(watching)
        callers = self._manager.get_hookcallers(watching) or []
        for caller in callers:
            for implementation in caller.get_hookimpls():
                refuse_wrappers(implementation)
        if not any(caller.has_spec() for caller in callers):
            raise PluginError(f"{name} of {tracker.by} implements no event: mark its methods with @hookimpl.")

    def tell(self, event: str, **arguments: Any) -> None:
        """Calls every implementation of an event with those of the arguments that it takes."""
        for caller, implementation in self._implementations(event):
            if id(implementation.plugin) in self._silenced:
                continue
            try:
                call(implementation, caller, arguments)
            except FOREIGN as error:
                self._silenced.add(id(implementation.plugin))
                name = implementation.plugin_name.removesuffix(".")
                self._warn(f"{name} failed at '{event}' and is told nothing more: {one_line(error)}")

    def _implementations(self, event: str) -> Iterator[tuple[pluggy.HookCaller, pluggy.HookImpl]]:
        """Those of the event and of its older names, in pluggy's order: the last registered first."""
        for caller in vars(self._manager.hook).values():
            if caller.has_spec() and current_name(caller) == event:
                yield from ((caller, found) for found in reversed(caller.get_hookimpls()))

    def __enter__(self) -> EventDispatcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for watching in self._started:
            self._manager.unregister(watching)
        self._started.clear()
