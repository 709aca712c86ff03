"""How implementations of hooks are registered and called: with the arguments that they take, by name."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pluggy
import pytest

from matekd_bench import Method, Perturbation, hookimpl
from matekd_bench.plugins import event_hookspecs, hookspecs, loading
from matekd_bench.plugins.calling import call
from matekd_bench.plugins.discovery import Candidate
from matekd_bench.plugins.host import Host
from matekd_bench.plugins.loading import load_one, new_manager
from matekd_bench.plugins.origin import ProvidedBy

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
        assert (info.status, names) == ("ok", ["probe"])


def test_wrappers_are_refused() -> None:
    @hookimpl(wrapper=True)
    def matekd_bench_methods() -> Any:
        return (yield)

    info, _, _ = load(plugin(matekd_bench_methods))
    assert info.status == "broken"
    assert "wrappers" in info.reason


def test_an_implementation_gets_what_it_takes_and_no_more() -> None:
    @hookimpl
    def matekd_bench_run_finished(end: str) -> str:
        return end

    manager = new_manager()
    manager.register(plugin(matekd_bench_run_finished))
    caller = manager.hook.matekd_bench_run_finished
    [implementation] = caller.get_hookimpls()
    assert call(implementation, {"run": 1, "end": 2}) == 2


def test_an_argument_that_a_hook_does_not_have_is_named() -> None:
    @hookimpl
    def matekd_bench_run_finished(score: float) -> None:
        """There is no such argument."""

    info, _, _ = load(plugin(matekd_bench_run_finished))
    for part in ("'matekd_bench_run_finished'", "'score'", "study, run, end"):
        assert part in info.reason
