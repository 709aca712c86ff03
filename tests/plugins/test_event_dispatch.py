"""Events: who is told, in which order, and what a plugin that raises costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matekd_bench import PluginError, Tracker, UsageError, hookimpl
from matekd_bench.plugins.event_dispatch import EventDispatcher, chosen_trackers
from matekd_bench.plugins.host import Host
from matekd_bench.plugins.loading import new_manager
from matekd_bench.plugins.provided import Provided, ProvidedBy

BY = ProvidedBy("probe", "probe-package", "1.0")


class Watching:
    """Keeps what it is told; raises at `raises`."""

    def __init__(self, raises: BaseException | None = None) -> None:
        self.told: list[Any] = []
        self.raises = raises

    @hookimpl
    def matekd_bench_run_started(self, run: str) -> None:
        self.told.append(run)
        if self.raises is not None:
            raise self.raises


def host(**trackers: Tracker) -> Host:
    provided = {name: Provided(tracker, BY) for name, tracker in trackers.items()}
    return Host({}, {}, {}, (), {}, {}, trackers=provided, manager=new_manager())


def tracker(start: Any, **fields: Any) -> Tracker:
    return Tracker(name="probe", summary="A test.", start=start, **fields)


@pytest.mark.parametrize("error", [ValueError("two\nlines"), SystemExit(3)])
def test_one_that_raises_costs_one_line_and_the_others_go_on(error: BaseException) -> None:
    here, lines = host(), []
    broken, sound = Watching(error), Watching()
    with EventDispatcher(here, lines.append) as announcer:
        announcer.start(Provided(tracker(lambda results: sound), BY), Path())
        here.manager.register(broken, name="a broken one")
        for run in ("first", "second"):
            announcer.dispatch("matekd_bench_run_started", run=run)
    assert sound.told == ["first", "second"]
    assert broken.told == ["first"]
    reason = "ValueError: two lines" if isinstance(error, ValueError) else "SystemExit: 3"
    assert lines == [f"a broken one failed at 'matekd_bench_run_started' and is told nothing more: {reason}"]


def test_an_interruption_is_passed_on() -> None:
    here = host()
    here.manager.register(Watching(KeyboardInterrupt()))
    with EventDispatcher(here, pytest.fail) as announcer, pytest.raises(KeyboardInterrupt):
        announcer.dispatch("matekd_bench_run_started", run="first")


def test_a_tracker_is_started_with_the_results_folder_and_let_go_at_the_end(tmp_path: Path) -> None:
    here, watching, folders = host(), Watching(), []
    start = tracker(lambda results: folders.append(results) or watching)
    with EventDispatcher(here, pytest.fail) as announcer:
        announcer.start(Provided(start, BY), tmp_path)
        announcer.dispatch("matekd_bench_run_started", run="first")
    assert (folders, watching.told) == ([tmp_path], ["first"])
    assert here.manager.get_plugins() == set()


def raising(results: Path) -> object:
    raise OSError("no server")


def test_a_tracker_that_cannot_be_started_stops_before_training() -> None:
    with EventDispatcher(host(), pytest.fail) as announcer, pytest.raises(PluginError) as caught:
        announcer.start(Provided(tracker(raising), BY), Path())
    assert str(caught.value) == (
        "tracker 'probe' of probe-package 1.0 (plugin 'probe') cannot be started: OSError: no server"
    )


def test_trackers_are_found_by_name() -> None:
    here = host(one=tracker(raising), two=tracker(raising))
    assert chosen_trackers(here, None) == chosen_trackers(here, "") == []
    assert len(chosen_trackers(here, "one, two,one")) == 2
    with pytest.raises(UsageError, match=r"unknown tracker 'oen': did you mean 'one'\?"):
        chosen_trackers(here, "oen")


@pytest.mark.parametrize("module", ["probe_no_such_module", "probe_no_such_parent.child"])
def test_a_missing_package_is_one_line_with_the_command(module: str) -> None:
    here = host(one=tracker(raising, requires=("json", module), install="pip install probe"))
    with pytest.raises(UsageError) as caught:
        chosen_trackers(here, "one")
    assert str(caught.value) == (
        f"tracker 'probe' needs the package '{module}', which is not installed. Get it with: pip install probe"
    )
