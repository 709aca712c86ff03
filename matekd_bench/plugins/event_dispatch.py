"""Sends the events of a study to plugins and trackers; one that raises gets only the end of the study after that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from matekd_bench.errors import PluginError, one_line
from matekd_bench.events import (
    Evaluated,
    Event,
    RunFinished,
    RunStarted,
    Sink,
    StudyFinished,
    StudyStarted,
)
from matekd_bench.extras import missing_package
from matekd_bench.foreign_code import foreign_code
from matekd_bench.plugins.calling import call, register
from matekd_bench.plugins.host import Host
from matekd_bench.plugins.provided import Provided
from matekd_bench.plugins.record_types import Exporter, Tracker

# The hook of each kind of event, and the name of its argument. Progress and messages go only to screens, not to
# plugins, because they come many times a second.
HOOKS: Mapping[type[Event], tuple[str, str]] = {
    StudyStarted: ("matekd_bench_study_started", "study"),
    RunStarted: ("matekd_bench_run_started", "run"),
    Evaluated: ("matekd_bench_evaluated", "evaluation"),
    RunFinished: ("matekd_bench_run_finished", "end"),
    StudyFinished: ("matekd_bench_study_finished", "end"),
}
END = HOOKS[StudyFinished][0]  # every plugin gets it, even after an error, to close its files


def chosen_trackers(host: Host, names: str | None) -> list[Provided[Tracker]]:
    """Return the trackers in a comma-separated list of names.

    Raises UsageError for an unknown tracker, and for one whose packages are not installed.
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
        raise missing_package(label, missing[0], record.install)


def _importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is absent
        return False


class PluginSink(Sink):
    """A sink that passes events to every plugin of a host and to the trackers that were started.

    An implementation also gets the start event of the study and of the run, if it takes these arguments. `warn` shows
    one line to the user. Leaving the context manager unregisters the trackers.
    """

    def __init__(self, host: Host, warn: Callable[[str], None]) -> None:
        self._manager = host.manager
        self._warn = warn
        self._trackers: list[object] = []
        self._silenced: set[int] = set()
        self._study: StudyStarted | None = None
        self._runs: dict[str, RunStarted] = {}

    def start(self, tracker: Provided[Tracker], results: Path) -> None:
        """Start a tracker.

        Raises PluginError if it cannot be started or implements no event. Because the user asked for the tracker, the
        study then stops before any training.
        """
        name = f"tracker '{tracker.record.name}'"
        try:
            with foreign_code():
                listener = tracker.record.start(results)
                register(self._manager, listener, name)
        except Exception as error:
            raise PluginError(f"{name} of {tracker.by} cannot be started: {one_line(error)}") from error
        self._trackers.append(listener)
        callers = self._manager.get_hookcallers(listener) or []
        if not any(caller.has_spec() for caller in callers):
            raise PluginError(f"{name} of {tracker.by} implements no event: mark its methods with @hookimpl.")

    def receives(self, kind: type[Event]) -> bool:
        """Return True if a plugin or a tracker implements the hook of this kind of event."""
        return bool(getattr(self._manager.hook, HOOKS[kind][0]).get_hookimpls())

    def emit(self, event: Event) -> None:
        """Call the event's hook, if it has one."""
        if isinstance(event, StudyStarted):
            self._study = event
        elif isinstance(event, RunStarted):
            self._runs[event.run_id] = event
        if (hook := HOOKS.get(type(event))) is not None:
            name, argument = hook
            self._call(name, {"study": self._study, "run": self._runs.get(event.run_id), argument: event})
        if isinstance(event, RunFinished):
            self._runs.pop(event.run_id, None)

    def _call(self, hook: str, arguments: Mapping[str, Any]) -> None:
        """Call every implementation in pluggy's order, the last registered first.

        A plugin that raises gets a warning, and from then on only the end of the study.
        """
        for implementation in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
            if id(implementation.plugin) in self._silenced and hook != END:
                continue
            try:
                with foreign_code():
                    call(implementation, arguments)
            except Exception as error:
                self._silenced.add(id(implementation.plugin))
                name = implementation.plugin_name.removesuffix(".")
                after = "" if hook == END else " and gets no further events before the end of the study"
                self._warn(f"{name} failed at '{hook}'{after}: {one_line(error)}")

    def __enter__(self) -> PluginSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for listener in self._trackers:
            self._manager.unregister(listener)
        self._trackers.clear()
