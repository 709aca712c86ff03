"""Events: who is told, in which order, and what a plugin that raises costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matekd_bench import PluginError, RunStarted, Tracker, UsageError, hookimpl
from matekd_bench.plugins.event_dispatch import PluginSink, chosen_trackers
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
    def matekd_bench_run_started(self, run: RunStarted) -> None:
        self.told.append(run.run_id)
        if self.raises is not None:
            raise self.raises


def started(run_id: str) -> RunStarted:
    return RunStarted(run_id=run_id, method="kd", task="rte", seed=0)


def host(**trackers: Tracker) -> Host:
    provided = {name: Provided(tracker, BY) for name, tracker in trackers.items()}
    return Host({}, {}, {}, (), {}, {}, trackers=provided, manager=new_manager())


def tracker(start: Any, **fields: Any) -> Tracker:
    return Tracker(name="probe", summary="A test.", start=start, **fields)


@pytest.mark.parametrize("error", [ValueError("two\nlines"), SystemExit(3)])
def test_one_that_raises_costs_one_line_and_the_others_go_on(error: BaseException) -> None:
    here, lines = host(), []
    broken, sound = Watching(error), Watching()
    with PluginSink(here, lines.append) as sink:
        sink.start(Provided(tracker(lambda results: sound), BY), Path())
        here.manager.register(broken, name="a broken one")
        for run in ("first", "second"):
            sink.emit(started(run))
    assert sound.told == ["first", "second"]
    assert broken.told == ["first"]
    [line] = lines
    for named in ("a broken one", "'matekd_bench_run_started'", type(error).__name__):
        assert named in line
    assert "\n" not in line


def test_an_interruption_is_passed_on() -> None:
    here = host()
    here.manager.register(Watching(KeyboardInterrupt()))
    with PluginSink(here, pytest.fail) as sink, pytest.raises(KeyboardInterrupt):
        sink.emit(started("first"))


def test_a_tracker_is_started_with_the_results_folder_and_let_go_at_the_end(tmp_path: Path) -> None:
    here, watching, folders = host(), Watching(), []
    start = tracker(lambda results: folders.append(results) or watching)
    with PluginSink(here, pytest.fail) as sink:
        sink.start(Provided(start, BY), tmp_path)
        sink.emit(started("first"))
    assert (folders, watching.told) == ([tmp_path], ["first"])
    assert here.manager.get_plugins() == set()


def raising(results: Path) -> object:
    raise OSError("no server")


def test_a_tracker_that_cannot_be_started_stops_before_training() -> None:
    with (
        PluginSink(host(), pytest.fail) as sink,
        pytest.raises(PluginError, match=r"'probe' of probe-package.*OSError"),
    ):
        sink.start(Provided(tracker(raising), BY), Path())


def test_trackers_are_found_by_name() -> None:
    here = host(one=tracker(raising), two=tracker(raising))
    assert chosen_trackers(here, None) == chosen_trackers(here, "") == []
    assert len(chosen_trackers(here, "one, two,one")) == 2
    with pytest.raises(UsageError, match=r"'oen'.*'one'"):
        chosen_trackers(here, "oen")


@pytest.mark.parametrize("module", ["probe_no_such_module", "probe_no_such_parent.child"])
def test_a_missing_package_is_one_line_with_the_command(module: str) -> None:
    here = host(one=tracker(raising, requires=("json", module), install="pip install probe"))
    with pytest.raises(UsageError, match=f"'probe'.*'{module}'.*pip install probe"):
        chosen_trackers(here, "one")
