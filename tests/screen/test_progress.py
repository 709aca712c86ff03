"""What the three screens print of the events of a study."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from matekd_bench.events import (
    Evaluated,
    Message,
    PlannedRun,
    Progress,
    RunFinished,
    RunStarted,
    Sink,
    StudyFinished,
    StudyStarted,
)
from matekd_bench.screen.progress import (
    BarScreen,
    LineScreen,
    NotebookScreen,
    QuietScreen,
    duration,
    in_notebook,
    watcher,
)
from matekd_bench.screen.time_left import Pace, StudyPace


def planned(run_id: str, seed: int, updates: int, **more: Any) -> PlannedRun:
    return PlannedRun(run_id=run_id, method="kd", task="rte", seed=seed, updates=updates, **more)


RUN = RunStarted(run_id="a2", method="eda[alpha=0.2]", task="rte", seed=0, position=2, total=2)
STUDY = StudyStarted(
    results=Path("results"),
    preset="minilm",
    methods=("kd", "eda[alpha=0.2]"),
    tasks=("rte",),
    seeds=(0,),
    runs=(planned("a1", 0, 500, done=True), planned("a2", 0, 500)),
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def show_study(screen: Sink, clock: Clock) -> None:
    """Emit a study of one run with two evaluations."""
    screen.emit(STUDY)
    screen.emit(Message(kind="note", text="3 broken rows skipped"))
    screen.emit(Message(kind="stage", text="fine-tuning the teacher on rte", run_id="a2"))
    for done in range(1, 9):
        clock.now += 30
        screen.emit(Progress(run_id="a2", done=done, limit=8, loss=0.25))
    screen.emit(Message(kind="warning", text="no WordNet"))
    screen.emit(Message(kind="detail", text="Traceback: ..."))
    screen.emit(RUN)
    for done in range(0, 500, 50):
        screen.emit(Progress(run_id="a2", done=done, limit=500, loss=0.51234, seconds_left=90.0))
    screen.emit(Evaluated(run_id="a2", number=1, total=2, score=0.5, loss=0.51234))
    screen.emit(Progress(run_id="a2", done=500, limit=500))
    screen.emit(Evaluated(run_id="a2", number=2, total=2, score=0.625))
    screen.emit(finished("a2", 0.625, 75.0))
    screen.emit(StudyFinished(status="done", trained=1, skipped=1))


def finished(run_id: str, score: float = 0.5, seconds: float = 60.0) -> RunFinished:
    return RunFinished(run_id=run_id, status="ok", score=score, seconds=seconds)


def started(run: PlannedRun, position: int) -> RunStarted:
    return RunStarted(
        run_id=run.run_id, method=run.method, task=run.task, seed=run.seed, position=position, total=3
    )


def test_plain_lines_hold_one_line_for_each_evaluation() -> None:
    stream = io.StringIO()
    clock = Clock()
    show_study(LineScreen(stream, clock=clock), clock)
    assert stream.getvalue().splitlines() == [
        "2 runs (2 methods x 1 task x 1 seed), 1 to do; records go to results",
        "note: 3 broken rows skipped",
        "fine-tuning the teacher on rte",
        "  25 %, loss 0.250, 3 min left",
        "  50 %, loss 0.250, 2 min left",
        "  75 %, loss 0.250, 1 min left",
        "  100 %, loss 0.250",
        "warning: no WordNet",
        "[2/2] eda[alpha=0.2] on rte, seed 0",
        "  evaluation 1/2: 50.0, loss 0.512, 2 min left",
        "  evaluation 2/2: 62.5",
        "  ok 62.5 after 1 min",
    ]


@pytest.mark.parametrize(("verbose", "details"), [(False, ""), (True, "Traceback: ...\n")])
def test_quiet_shows_warnings_alone_and_details_if_wanted(verbose: bool, details: str) -> None:
    stream = io.StringIO()
    show_study(QuietScreen(stream, details=verbose), Clock())
    assert stream.getvalue() == f"warning: no WordNet\n{details}"


@pytest.mark.parametrize("verbose", [False, True])
def test_live_bars_keep_brackets_and_show_evaluations_if_wanted(
    verbose: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    clock = Clock()
    with BarScreen(stream, verbose=verbose, clock=clock) as screen:
        show_study(screen, clock)
        assert screen.bars.tasks == []
    printed = stream.getvalue()
    assert "eda[alpha=0.2] on rte, seed 0: ok 62.5 after 1 min" in printed
    assert "warning: no WordNet" in printed
    assert ("evaluation 1/2: 50.0" in printed) is verbose


@pytest.fixture
def three() -> StudyStarted:
    """Three runs to do, of 100, 300 and 600 updates."""
    return replace(STUDY, runs=(STUDY.runs[0], *(planned(f"b{n}", n, n * 100) for n in (1, 3, 6))))


def test_plain_lines_say_how_long_all_runs_will_take(three: StudyStarted) -> None:
    stream, clock = io.StringIO(), Clock()
    screen = LineScreen(stream, clock=clock)
    screen.emit(three)
    for position, run in enumerate(three.todo, start=1):
        screen.emit(started(run, position))
        clock.now += 60
        screen.emit(finished(run.run_id))
    starts = [line for line in stream.getvalue().splitlines() if line.startswith("[")]
    assert starts == [
        "[1/3] kd on rte, seed 1",
        "[2/3] kd on rte, seed 3; 9 min left in all",
        "[3/3] kd on rte, seed 6; 3 min left in all",
    ]


def test_the_bar_of_a_run_shows_its_preparation_first(
    three: StudyStarted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    clock, run = Clock(), three.todo[0]
    with BarScreen(Terminal(), verbose=False, clock=clock) as screen:
        screen.emit(three)
        screen.emit(started(run, 1))
        screen.emit(Message(kind="stage", text="teacher for rte", run_id=run.run_id))
        clock.now += 60
        screen.emit(Progress(run_id=run.run_id, done=1, limit=4, loss=0.5))
        assert lowest_bar(screen) == ("teacher for rte", 1, 4, "loss 0.500, 3 min left")
        screen.emit(Message(kind="stage", text="generator for rte", run_id=run.run_id))
        assert lowest_bar(screen) == ("generator for rte", 0, None, "")
        screen.emit(Progress(run_id=run.run_id, done=5, limit=100, loss=0.25, seconds_left=42.0))
        assert lowest_bar(screen) == ("kd on rte, seed 1", 5, 100, "loss 0.250, 42 s left")
        screen.emit(finished(run.run_id))
        assert lowest_bar(screen) == ("runs", 2, 4, "9 min left in all")


def lowest_bar(screen: BarScreen) -> tuple[object, ...]:
    bar = screen.bars.tasks[-1]
    return bar.description, bar.completed, bar.total, bar.fields["detail"]


def test_time_left_is_known_only_in_the_middle(three: StudyStarted) -> None:
    clock = Clock()
    pace, study = Pace(clock), StudyPace(three, clock)
    clock.now = 10.0
    assert [pace.left(done, 8) for done in (0, 2, 8)] == [None, 30.0, None]
    left = []
    for run in (*three.todo, three.todo[-1]):
        left.append(study.left())
        study.run_finished(run.run_id)
    assert left == [None, 90.0, 15.0, None]


def test_teachers_and_the_plan_weigh_in_the_time_left(three: StudyStarted) -> None:
    clock = Clock()
    sized = [replace(run, seconds=100.0 * size) for run, size in zip(three.todo, (1, 3, 6), strict=True)]
    plan = replace(three, runs=(three.runs[0], *sized), teachers={"rte": 1000.0, "mrpc": 2000.0})
    study = StudyPace(plan, clock)
    clock.now = 400.0
    study.run_finished(sized[0].run_id)  # and rte's teacher: 1100 of 4000
    assert study.left() == pytest.approx(400 * 2900 / 1100)
    study = StudyPace(replace(plan, seconds=2000.0), clock)  # on two devices; the prior is 200 of them
    clock.now += 400.0
    study.run_finished(sized[0].run_id)
    assert study.left() == pytest.approx(0.725 * 2000 * (400 + 200) / (0.275 * 2000 + 200))
    study.run_finished("of another study")
    for run in sized[1:]:
        study.run_finished(run.run_id)
    assert study.left() == pytest.approx(0.5 * 2000 * (400 + 200) / (0.5 * 2000 + 200))  # mrpc's teacher


def test_steps_before_an_interruption_do_not_count_for_the_speed(three: StudyStarted) -> None:
    stream, clock = io.StringIO(), Clock()
    screen = LineScreen(stream, clock=clock)
    screen.emit(three)
    screen.emit(Message(kind="stage", text="teacher for rte", run_id="b1"))
    for done in range(51, 76):
        clock.now += 4
        screen.emit(Progress(run_id="b1", done=done, limit=100, loss=0.5))
    # 25 steps of 4 s each, not 75 in 100 s
    assert "  75 %, loss 0.500, 2 min left" in stream.getvalue().splitlines()


def test_a_failed_run_has_no_score() -> None:
    stream = io.StringIO()
    LineScreen(stream).emit(RunFinished(run_id="a2", status="failed", score=None, seconds=3.0))
    assert stream.getvalue() == "  failed after 3 s\n"


@pytest.mark.parametrize(
    ("stream", "quiet", "kind"),
    [
        (io.StringIO(), True, QuietScreen),
        (io.StringIO(), False, LineScreen),
        (Terminal(), False, BarScreen),
    ],
)
def test_the_screen_fits_the_stream(stream: io.StringIO, quiet: bool, kind: type) -> None:
    for debug in (False, True):
        with watcher(quiet=quiet, debug=debug, stream=stream) as screen:
            assert (type(screen), screen.details) == (kind, debug)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (90, "2 min"), (3599, "1 h 0 min"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_lines_of_several_runs_at_a_time_begin_with_theirs(three: StudyStarted) -> None:
    stream = io.StringIO()
    screen = LineScreen(stream, clock=Clock())
    one, two, _ = three.todo
    for event in (
        three,
        Message(kind="stage", text="teacher for rte", run_id=two.run_id),
        started(one, 1),
        Progress(run_id=two.run_id, done=1, limit=2, loss=0.5),
        Message(kind="stage", text="generator for rte", run_id=one.run_id),
        started(two, 2),
        Progress(run_id=one.run_id, done=5, limit=10, loss=0.5, seconds_left=60.0),
        Progress(run_id=two.run_id, done=5, limit=10, loss=0.75, seconds_left=600.0),
        Evaluated(run_id=one.run_id, number=1, total=2, score=0.5, loss=0.5),
        finished(two.run_id),
    ):
        screen.emit(event)
    assert stream.getvalue().splitlines()[1:] == [
        "teacher for rte",
        "[1/3] kd on rte, seed 1",
        "teacher for rte: 50 %, loss 0.500, 0 s left",
        "generator for rte",
        "[2/3] kd on rte, seed 3",
        "kd on rte, seed 1: evaluation 1/2: 50.0, loss 0.500, 1 min left",
        "kd on rte, seed 3: ok 50.0 after 1 min",
    ]


def test_bars_of_several_runs_at_a_time_are_shown_together(three: StudyStarted) -> None:
    with BarScreen(Terminal(), verbose=False, clock=Clock()) as screen:
        screen.emit(three)
        one, two, _ = three.todo
        for position, run in enumerate((one, two), start=1):
            screen.emit(started(run, position))
        screen.emit(Progress(run_id=one.run_id, done=5, limit=100, seconds_left=1.0))
        assert [(bar.description, bar.completed) for bar in screen.bars.tasks] == [
            ("runs", 1),
            ("kd on rte, seed 1", 5),
            ("kd on rte, seed 3", 0),
        ]
        screen.emit(finished(one.run_id))
        assert [bar.description for bar in screen.bars.tasks] == ["runs", "kd on rte, seed 3"]


def test_a_notebook_gets_a_line_per_run_and_preparation() -> None:
    clock, file = Clock(), io.StringIO()
    show_study(NotebookScreen(file, clock=clock), clock)
    lines = file.getvalue().splitlines()
    assert [line for line in lines if "evaluation" in line or "%" in line] == []
    assert "fine-tuning the teacher on rte" in lines
    assert lines[-1].startswith("[2/2] eda[alpha=0.2] on rte, seed 0: ok ")
    assert not in_notebook()
