"""Hooks that change: a new argument breaks no plugin, and an old name works with one line of warning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pluggy
import pytest

from matekd_bench import Method, Perturbation, PluginError, Tracker, hookimpl
from matekd_bench.plugins import event_hookspecs, hookspecs, loading
from matekd_bench.plugins.calling import RenamedWarning, call
from matekd_bench.plugins.discovery import Candidate
from matekd_bench.plugins.event_dispatch import EventDispatcher
from matekd_bench.plugins.host import Host
from matekd_bench.plugins.loading import load_one, new_manager
from matekd_bench.plugins.provided import Provided, ProvidedBy

hookspec = pluggy.HookspecMarker(hookspecs.PROJECT)
BY = ProvidedBy("probe", "probe-package", "1.0")


def specs(*hooks: Callable[..., Any], without: str) -> list[Any]:
    """The hooks of a later version: today's, one left out, and what came in its place."""
    kept = [
        hook for home in (hookspecs, event_hookspecs) for name, hook in vars(home).items() if name != without
    ]
    later = ModuleType("later")
    for hook in [*kept, *hooks]:
        if getattr(hook, "__name__", "").startswith("matekd_bench_"):
            setattr(later, hook.__name__, hook)
    return [later]


def plugin(*implementations: Callable[..., Any]) -> Any:
    return SimpleNamespace(**{one.__name__: one for one in implementations})


def load(plugin: Any) -> tuple[Any, list[Any], pluggy.PluginManager]:
    manager = new_manager()
    info, provided = load_one(manager, Candidate(BY, lambda: plugin))
    return info, [one.record.name for one in provided], manager


def host(manager: pluggy.PluginManager) -> Host:
    return Host({}, {}, {}, (), {}, {}, manager=manager)


def probe() -> Method:
    return Method(name="probe", summary="", factory=Perturbation, level="text", version="1")


@hookimpl
def matekd_bench_methods() -> list[Method]:
    return [probe()]


TODAY = plugin(matekd_bench_methods)


def test_a_method_published_today_is_found_when_its_hook_gains_an_argument(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @hookspec
    def matekd_bench_methods(language: str) -> Any:
        """With an argument that today's version does not give."""

    @hookimpl
    def newer(language: str) -> list[Method]:
        assert language == "en"
        return [probe()]

    newer.__name__ = "matekd_bench_methods"
    monkeypatch.setattr(loading, "SPECS", specs(matekd_bench_methods, without="matekd_bench_methods"))
    monkeypatch.setattr(loading, "ARGUMENTS", {"language": "en"})
    for implementation in (TODAY, plugin(newer)):
        info, names, _ = load(implementation)
        assert (info.status, info.notices, names) == ("ok", (), ["probe"])


def test_a_tracker_published_today_is_told_when_its_event_gains_an_argument(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[Any] = []

    @hookspec
    def matekd_bench_evaluated(run: str, evaluation: str, student: str) -> None:
        """With a third argument, and before the others is no matter: they are given by name."""

    @hookimpl
    def today(evaluation: str) -> None:
        told.append(evaluation)

    @hookimpl
    def newer(student: str, run: str) -> None:
        told.append((student, run))

    today.__name__ = newer.__name__ = "matekd_bench_evaluated"
    monkeypatch.setattr(loading, "SPECS", specs(matekd_bench_evaluated, without="matekd_bench_evaluated"))
    manager = new_manager()
    load_one(manager, Candidate(BY, lambda: plugin(today)))
    load_one(manager, Candidate(ProvidedBy("newer", "other", "2"), lambda: plugin(newer)))
    with EventDispatcher(host(manager), pytest.fail) as announcer:
        announcer.dispatch(
            "matekd_bench_evaluated", run="a run", evaluation="an evaluation", student="a student"
        )
    assert told == [("a student", "a run"), "an evaluation"]


def test_a_renamed_hook_works_under_its_old_name_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    @hookspec(warn_on_impl=RenamedWarning("matekd_bench_methods", until="2.0"))
    def matekd_bench_perturbations() -> Any:
        """The name that the hook had before."""

    @hookimpl
    def matekd_bench_perturbation_list() -> list[Method]:
        return [probe()]

    old = matekd_bench_perturbation_list
    old.__name__ = "matekd_bench_perturbations"
    monkeypatch.setattr(loading, "SPECS", specs(matekd_bench_perturbations, without=""))
    info, names, _ = load(plugin(old))
    assert (info.status, info.provides, names) == ("ok", ("method probe",), ["probe"])
    assert info.notices == (
        "the hook 'matekd_bench_perturbations' is called 'matekd_bench_methods' now; the old name works until 2.0",
    )
    assert load(TODAY)[0].notices == ()


def test_a_renamed_event_and_argument_work_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    @hookspec(warn_on_impl_args={"study": RenamedWarning("grid", until="2.0")})
    def matekd_bench_study_started(grid: str, study: str) -> None:
        """Whose argument had another name before."""

    @hookspec(warn_on_impl=RenamedWarning("matekd_bench_study_started", until="3.0"))
    def matekd_bench_started(grid: str) -> None:
        """Which had another name before."""

    @hookimpl
    def with_argument(study: str) -> None:
        told.append(study)

    @hookimpl
    def with_name(grid: str) -> None:
        told.append(grid)

    with_argument.__name__, with_name.__name__ = "matekd_bench_study_started", "matekd_bench_started"
    later = specs(matekd_bench_study_started, matekd_bench_started, without="matekd_bench_study_started")
    monkeypatch.setattr(loading, "SPECS", later)
    manager = new_manager()
    info, _ = load_one(manager, Candidate(BY, lambda: plugin(with_argument, with_name)))
    assert info.provides == ("event study started", "event study started")
    assert sorted(info.notices) == [
        "the argument 'study' of 'matekd_bench_study_started' is called 'grid' now; the old name works until 2.0",
        "the hook 'matekd_bench_started' is called 'matekd_bench_study_started' now; the old name works until 3.0",
    ]
    with EventDispatcher(host(manager), pytest.fail) as announcer:
        announcer.dispatch("matekd_bench_study_started", grid="all of it")
    assert told == ["all of it", "all of it"]


def test_wrappers_are_refused() -> None:
    @hookimpl(wrapper=True)
    def matekd_bench_methods() -> Any:
        return (yield)

    info, _, _ = load(plugin(matekd_bench_methods))
    assert (info.status, info.reason) == (
        "broken",
        "hook wrappers are not supported: implement the hook itself.",
    )


def test_an_implementation_gets_what_it_takes_and_no_more() -> None:
    @hookimpl
    def matekd_bench_run_finished(end: str) -> str:
        return end

    manager = new_manager()
    manager.register(plugin(matekd_bench_run_finished))
    caller = manager.hook.matekd_bench_run_finished
    [implementation] = caller.get_hookimpls()
    assert call(implementation, caller, {"run": 1, "end": 2}) == 2


def test_an_argument_that_a_hook_does_not_have_is_named() -> None:
    @hookimpl
    def matekd_bench_run_finished(score: float) -> None:
        """There is no such argument."""

    info, _, _ = load(plugin(matekd_bench_run_finished))
    assert info.reason == (
        "'matekd_bench_run_finished' is written with the argument 'score': the hook gives run, end."
    )


def test_a_tracker_without_events_is_refused() -> None:
    tracker = Provided(Tracker(name="t", summary="", start=lambda results: object()), BY)
    with (
        EventDispatcher(host(new_manager()), print) as teller,
        pytest.raises(PluginError, match="implements no event"),
    ):
        teller.start(tracker, Path())
