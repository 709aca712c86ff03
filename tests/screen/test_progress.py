"""What the screens print of the events of a study, without a terminal and with one."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from matekd_bench.events import (
    Evaluated,
    Message,
    PlannedRun,
    Prepared,
    Progress,
    RunFinished,
    RunStarted,
    Sink,
    StopRequested,
    StudyFinished,
)
from matekd_bench.screen.bar_screen import BarScreen
from matekd_bench.screen.live_bars import Bars, shortened
from matekd_bench.screen.plain_screens import LineScreen, QuietScreen
from matekd_bench.screen.progress import in_notebook, loading, watcher
from matekd_bench.screen.wording import STOPPING, duration, grid_line
from screen_events import STUDY, THREE, Clock, finished

RUN = RunStarted(run_id="a2", method="eda[alpha=0.2]", task="rte", seed=0, position=2, total=2)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def show_study(screen: Sink, clock: Clock) -> None:
    """Emit a study of one run with two evaluations."""
    screen.emit(STUDY)
    screen.emit(Message(kind="note", text="3 broken rows skipped"))
    screen.emit(Message(kind="stage", text="fine-tuning the teacher on rte", run_id="a2", counted=True))
    for done in range(1, 9):
        clock.now += 30
        screen.emit(Progress(run_id="a2", done=done, limit=8, loss=0.25, preparing=True))
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


def test_one_run_is_not_several() -> None:
    study = replace(STUDY, methods=("kd",), runs=STUDY.runs[1:])
    assert grid_line(study).startswith("1 run (1 method x 1 task x 1 seed), 1 to do")


def started(run: PlannedRun, position: int) -> RunStarted:
    return RunStarted(
        run_id=run.run_id, method=run.method, task=run.task, seed=run.seed, position=position, total=3
    )


PLAIN_LINES = [
    "2 runs (2 methods x 1 task x 1 seed), 1 to do; records go to results",
    "note: 3 broken rows skipped",
    "fine-tuning the teacher on rte",
    "warning: no WordNet",
    "[1/2] eda[alpha=0.2] on rte, seed 0: ok 62.5 after 1 min",
]


def test_plain_lines_hold_one_line_for_each_phase_and_run() -> None:
    stream = io.StringIO()
    clock = Clock()
    show_study(LineScreen(stream, clock=clock), clock)
    assert stream.getvalue().splitlines() == PLAIN_LINES


def test_plain_lines_hold_every_evaluation_if_wanted() -> None:
    stream, clock = io.StringIO(), Clock()
    show_study(LineScreen(stream, verbose=True, clock=clock), clock)
    assert stream.getvalue().splitlines() == [
        *PLAIN_LINES[:-1],
        "eda[alpha=0.2] on rte, seed 0: evaluation 1/2: 50.0, loss 0.512, 2 min left in the run",
        "eda[alpha=0.2] on rte, seed 0: evaluation 2/2: 62.5",
        PLAIN_LINES[-1],
    ]


def test_a_short_phase_and_a_phase_of_another_process_get_no_line() -> None:
    stream, clock = io.StringIO(), Clock()
    screen = LineScreen(stream, clock=clock)
    screen.emit(Message(kind="stage", text="not counted"))
    for text, seconds, run_id in (("short", 1, "a"), ("long", 20, "a"), ("long", 20, "b")):
        screen.emit(Message(kind="stage", text=text, run_id=run_id, counted=True))
        clock.now += seconds
        screen.emit(Progress(run_id=run_id, done=1, limit=2, preparing=True))
        clock.now += seconds
        screen.emit(Progress(run_id=run_id, done=2, limit=2, preparing=True))
    assert stream.getvalue().splitlines() == ["not counted", "long"]


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


def test_plain_lines_say_how_long_all_runs_will_take() -> None:
    stream, clock = io.StringIO(), Clock()
    screen = LineScreen(stream, clock=clock)
    screen.emit(THREE)
    for position, run in enumerate(THREE.todo, start=1):
        screen.emit(started(run, position))
    for run in (THREE.todo[1], THREE.todo[0], THREE.todo[2]):  # three at a time end in another order
        clock.now += 60
        screen.emit(finished(run.run_id, seconds=150.0))
    ends = [line for line in stream.getvalue().splitlines() if line.startswith("[")]
    assert ends == [
        "[1/3] kd on rte, seed 3: ok 50.0 after 2 min; 2 min left in total",
        "[2/3] kd on rte, seed 1: ok 50.0 after 2 min; 30 s left in total",
        "[3/3] kd on rte, seed 6: ok 50.0 after 2 min",
    ]


def test_the_bar_of_a_run_shows_its_preparation_first() -> None:
    clock, run = Clock(), THREE.todo[0]

    def emit(done: int, limit: int, **more: Any) -> None:
        screen.emit(Progress(run_id=run.run_id, done=done, limit=limit, **more))

    with BarScreen(Terminal(), verbose=False, clock=clock) as screen:
        screen.emit(THREE)
        screen.emit(started(run, 1))
        screen.emit(Message(kind="stage", text="teacher for rte", run_id=run.run_id))
        clock.now += 600  # the first update is slow: it does not count
        emit(1, 4, loss=0.5, preparing=True)
        assert lowest_bar(screen) == ("teacher for rte", 1, 4, "", "loss 0.500", "")
        clock.now += 60
        emit(2, 4, loss=0.5, preparing=True)
        assert lowest_bar(screen) == ("teacher for rte", 2, 4, "", "loss 0.500", "2 min left")
        emit(4, 4, loss=0.5, preparing=True)
        assert lowest_bar(screen)[0] == "runs"  # no bar of what is done
        screen.emit(Message(kind="stage", text="generator for rte", run_id=run.run_id))
        assert lowest_bar(screen) == ("generator for rte", 0, None, "", "", "")
        emit(5, 100, loss=0.25, seconds_left=42.0)
        assert lowest_bar(screen) == ("kd on rte, seed 1", 5, 100, "", "loss 0.250", "42 s left")
        emit(5, 100, auxiliary_done=2, auxiliary_limit=10)
        assert lowest_bar(screen)[3] == "auxiliary 2/10"
        screen.emit(finished(run.run_id))
        assert lowest_bar(screen)[:3] == ("runs", 2, 4)
        assert lowest_bar(screen)[5].endswith(" left")


def test_nothing_is_left_of_what_is_prepared_for_later_and_of_steps_of_the_study() -> None:
    with BarScreen(Terminal(), verbose=False, clock=Clock()) as screen:
        screen.emit(Message(kind="stage", text="reading data"))
        screen.emit(Progress(done=1, limit=9, preparing=True))
        assert lowest_bar(screen)[:3] == ("reading data", 1, 9)
        screen.emit(THREE)
        assert lowest_bar(screen)[0] == "runs"
        screen.emit(Message(kind="stage", text="logits for rte", run_id="b6"))
        assert lowest_bar(screen)[0] == "logits for rte"
        screen.emit(Prepared(run_id="b6"))
        assert lowest_bar(screen)[0] == "runs"
        assert screen.runs.keys() == {""}


def lowest_bar(screen: BarScreen) -> tuple[Any, ...]:
    bar = screen.bars.tasks[-1]
    return (bar.description, bar.completed, bar.total, *(bar.fields.get(name, "") for name in FIELDS))


FIELDS = ("extra", "loss", "left")
COUNTS = ("123/400, auxiliary 40/100", "3/27", "1 h 12 min left", "12 min left")


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_bars_fit_and_shrink_only_their_label(width: int) -> None:
    file = Terminal()
    bars = Bars(Console(file=file, width=width, force_terminal=True, color_system=None))
    bars.add_task("runs", total=27, completed=3, left=COUNTS[3])
    bars.add_task(
        "matekd[generator_lr=5e-05] on mini-mrpc, seed 0", total=400, completed=123, left=COUNTS[2],
        extra="auxiliary 40/100", loss="loss 0.512",
    )  # fmt: skip
    bars.stopping = True
    shown = io.StringIO()
    Console(file=shown, width=width, color_system=None).print(*bars.get_renderables(), sep="\n")
    lines = shown.getvalue().splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= width
    assert [said for said in (*COUNTS, STOPPING) if said not in "\n".join(lines)] == []
    assert lines[1].startswith("matekd")
    assert ("matekd[generator_lr=5e-05] on mini-mrpc, seed 0" in lines[1]) == (width == 200)
    assert ("loss 0.512" in lines[1]) == (width >= 100)


def test_a_label_loses_its_middle() -> None:
    assert [shortened("abcdefgh", width) for width in (8, 5, 2, 1)] == ["abcdefgh", "ab…gh", "a…", "…"]


def test_a_stop_is_shown_in_the_bars_and_written_past_a_stream_of_lines(tmp_path: Path) -> None:
    with BarScreen(Terminal(), verbose=False) as screen:
        screen.emit(StopRequested())
        assert screen.bars.stopping
    with (tmp_path / "log").open("w") as log:
        LineScreen(log).emit(StopRequested())
    assert (tmp_path / "log").read_text() == f"{STOPPING}\n"
    LineScreen(io.StringIO()).emit(StopRequested())  # a stream without a file: nothing to write to


def test_a_failed_run_has_no_score() -> None:
    stream = io.StringIO()
    screen = LineScreen(stream)
    screen.emit(RUN)
    screen.emit(RunFinished(run_id="a2", status="failed", score=None, seconds=3.0))
    assert stream.getvalue() == "[1/2] eda[alpha=0.2] on rte, seed 0: failed after 3 s\n"


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


def test_bars_of_several_runs_at_a_time_are_shown_together() -> None:
    with BarScreen(Terminal(), verbose=False, clock=Clock()) as screen:
        screen.emit(THREE)
        one, two, _ = THREE.todo
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


def test_a_terminal_that_cannot_draw_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with watcher(stream=Terminal()) as screen:
        assert type(screen) is LineScreen


@pytest.mark.parametrize(("stream", "shown"), [(Terminal, True), (io.StringIO, False)])
def test_loading_is_shown_on_a_terminal_alone(
    stream: type[io.StringIO], shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study that is refused elsewhere prints one line."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", stderr := stream())
    with loading():
        pass
    assert ("loading" in stderr.getvalue()) is shown


def test_here_is_no_notebook() -> None:
    assert not in_notebook()
