"""Events to plugins and trackers: what each hook gets, in which order, and what a plugin that raises costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matekd_bench import (
    Evaluated,
    Message,
    PluginError,
    Progress,
    RunFinished,
    RunStarted,
    StudyFinished,
    StudyStarted,
    Tracker,
    UsageError,
    hookimpl,
)
from matekd_bench.errors import StoppedError
from matekd_bench.plugins.event_dispatch import PluginSink, chosen_trackers
from matekd_bench.plugins.host import Host
from matekd_bench.plugins.loading import new_manager
from matekd_bench.plugins.origin import ProvidedBy
from matekd_bench.plugins.provided import Provided

BY = ProvidedBy("probe", "probe-package", "1.0")


FIRST, SECOND = (RunStarted(run_id=name, method="kd", task="rte", seed=0) for name in ("first", "second"))
STUDY = StudyStarted(results=Path("r"), preset="mini", methods=("kd",), tasks=("rte",), seeds=(0,))


class Watching:
    """A listener that keeps the runs that start; raises `raises`."""

    def __init__(self, raises: BaseException | None = None) -> None:
        self.runs: list[RunStarted] = []
        self.raises = raises

    @hookimpl
    def matekd_bench_run_started(self, run: RunStarted) -> None:
        self.runs.append(run)
        if self.raises is not None:
            raise self.raises


class Keeping:
    """A listener that keeps all arguments of all hooks."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    @hookimpl
    def matekd_bench_study_started(self, study: StudyStarted) -> None:
        self.calls.append(("study started", study))

    @hookimpl
    def matekd_bench_run_started(self, study: StudyStarted, run: RunStarted) -> None:
        self.calls.append(("run started", study, run))

    @hookimpl
    def matekd_bench_evaluated(self, study: StudyStarted, run: RunStarted, evaluation: Evaluated) -> None:
        self.calls.append(("evaluated", study, run, evaluation))

    @hookimpl
    def matekd_bench_run_finished(self, study: StudyStarted, run: RunStarted, end: RunFinished) -> None:
        self.calls.append(("run finished", study, run, end))

    @hookimpl
    def matekd_bench_study_finished(self, study: StudyStarted, end: StudyFinished) -> None:
        self.calls.append(("study finished", study, end))


def host(**trackers: Tracker) -> Host:
    provided = {name: Provided(tracker, BY) for name, tracker in trackers.items()}
    return Host({}, {}, {}, (), {}, {}, trackers=provided, manager=new_manager())


def tracker(start: Any, **fields: Any) -> Tracker:
    return Tracker(name="probe", summary="A test.", start=start, **fields)


def test_hooks_get_the_event_and_the_study_and_run_that_it_is_about() -> None:
    plugins, keeping = host(), Keeping()
    plugins.manager.register(keeping)
    evaluations = [
        Evaluated(run_id=run.run_id, number=1, total=2, score=0.5) for run in (FIRST, SECOND, FIRST)
    ]
    ends = [RunFinished(run_id=run.run_id, status="ok", score=0.5, seconds=1.0) for run in (FIRST, SECOND)]
    done = StudyFinished(status="done")
    noise = (Message(kind="note", text="hello"), Progress(run_id="first", done=1, limit=2))
    with PluginSink(plugins, pytest.fail) as sink:
        for event in (STUDY, FIRST, SECOND, *noise, *evaluations, *ends, done):
            sink.emit(event)
    assert keeping.calls == [
        ("study started", STUDY),
        ("run started", STUDY, FIRST),
        ("run started", STUDY, SECOND),
        ("evaluated", STUDY, FIRST, evaluations[0]),
        ("evaluated", STUDY, SECOND, evaluations[1]),
        ("evaluated", STUDY, FIRST, evaluations[2]),
        ("run finished", STUDY, FIRST, ends[0]),
        ("run finished", STUDY, SECOND, ends[1]),
        ("study finished", STUDY, done),
    ]


@pytest.mark.parametrize("error", [ValueError("two\nlines"), SystemExit(3), pytest.skip.Exception("no")])
def test_a_listener_that_raises_costs_one_line_and_the_others_continue(error: BaseException) -> None:
    plugins, lines = host(), list[str]()
    broken, sound = Watching(error), Watching()
    with PluginSink(plugins, lines.append) as sink:
        sink.start(Provided(tracker(lambda results: sound), BY), Path())
        plugins.manager.register(broken, name="a broken one")
        for run in (FIRST, SECOND):
            sink.emit(run)
    assert sound.runs == [FIRST, SECOND]
    assert broken.runs == [FIRST]
    [line] = lines
    for part in ("a broken one", "matekd_bench_run_started", type(error).__name__):
        assert part in line
    assert "\n" not in line


class Closing(Watching):
    """A listener that also keeps the end of the study."""

    def __init__(self, raises: BaseException | None = None) -> None:
        super().__init__(raises)
        self.ends: list[StudyFinished] = []

    @hookimpl
    def matekd_bench_study_finished(self, end: StudyFinished) -> None:
        self.ends.append(end)
        if self.raises is not None:
            raise self.raises


@pytest.mark.parametrize("events", [(FIRST, SECOND), ()])
def test_a_listener_that_raised_still_gets_the_end_of_the_study(events: tuple[RunStarted, ...]) -> None:
    plugins, lines, end = host(), list[str](), StudyFinished(status="done")
    broken = Closing(OSError("no server"))
    plugins.manager.register(broken)
    with PluginSink(plugins, lines.append) as sink:
        for event in (*events, end):
            sink.emit(event)
    assert (broken.runs, broken.ends) == (list(events[:1]), [end])
    assert ["no server" in line for line in lines] == [True] * (len(events[:1]) + 1)
    assert "matekd_bench_study_finished" in lines[-1]


def test_a_signal_is_passed_on() -> None:
    plugins = host()
    plugins.manager.register(Watching(StoppedError("", 2)))
    with PluginSink(plugins, pytest.fail) as sink, pytest.raises(StoppedError):
        sink.emit(FIRST)


def test_who_receives_an_event_is_known() -> None:
    plugins = host()
    with PluginSink(plugins, pytest.fail) as sink:
        assert not sink.receives(StudyFinished)
        plugins.manager.register(Watching())
        assert (sink.receives(RunStarted), sink.receives(StudyFinished)) == (True, False)


def test_a_tracker_is_started_with_the_results_folder_and_unregistered_at_the_end(tmp_path: Path) -> None:
    plugins, watching, folders = host(), Watching(), list[Path]()

    def begin(results: Path) -> object:
        folders.append(results)
        return watching

    start = tracker(begin)
    with PluginSink(plugins, pytest.fail) as sink:
        sink.start(Provided(start, BY), tmp_path)
        sink.emit(FIRST)
    assert (folders, watching.runs) == ([tmp_path], [FIRST])
    assert plugins.manager.get_plugins() == set()


def raising(results: Path) -> object:
    raise OSError("no server")


@pytest.mark.parametrize(
    ("start", "named"), [(raising, "no server"), (lambda results: object(), "probe-package")]
)
def test_a_tracker_that_cannot_be_started_or_takes_no_events_stops_before_training(
    start: Any, named: str
) -> None:
    with PluginSink(host(), pytest.fail) as sink, pytest.raises(PluginError, match=f"'probe'.*{named}"):
        sink.start(Provided(tracker(start), BY), Path())


def test_trackers_are_found_by_name() -> None:
    plugins = host(one=tracker(raising), two=tracker(raising))
    assert chosen_trackers(plugins, None) == chosen_trackers(plugins, "") == []
    assert len(chosen_trackers(plugins, "one, two,one")) == 2
    with pytest.raises(UsageError, match=r"'oen'.*'one'"):
        chosen_trackers(plugins, "oen")


@pytest.mark.parametrize("module", ["probe_no_such_module", "probe_no_such_parent.child"])
def test_a_missing_package_is_one_line_with_the_command(module: str) -> None:
    plugins = host(one=tracker(raising, requires=("json", module), install="pip install probe"))
    with pytest.raises(UsageError, match=f"'probe'.*'{module}'.*pip install probe"):
        chosen_trackers(plugins, "one")
