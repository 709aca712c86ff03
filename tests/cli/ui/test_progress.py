"""What the three watchers print."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from matekd_bench.study.events import Events, Plan, PlannedRun, StudySummary

from matekd_bench.cli.ui.progress import PlainEvents, QuietEvents, RichEvents, duration, watcher
from matekd_bench.cli.ui.time_left import Pace, StudyPace

RUN = PlannedRun("a2", "eda[alpha=0.2]", "rte", 0, 500, done=False)
PLAN = Plan(
    runs=(PlannedRun("a1", "kd", "rte", 0, 500, done=True), RUN),
    tasks=("rte",),
    methods=("kd", "eda[alpha=0.2]"),
    seeds=(0,),
    preset="minilm",
    data_states={},
    results="results",
)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Watch:
    """A clock that goes on only when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def act(events: Events, clock: Watch) -> None:
    """A study of one run with two evaluations."""
    events.study_started(PLAN)
    events.note("3 broken rows skipped")
    events.stage("fine-tuning the teacher on rte")
    for done in range(1, 9):
        clock.now += 30
        events.progress(done, 8, 0.25, None)
    events.warning("no WordNet")
    events.detail("Traceback: ...")
    events.run_started(RUN.label, 2, 2)
    for done in range(0, 500, 50):
        events.progress(done, 500, 0.51234, 90.0)
    events.evaluated(1, 2, 0.5)
    events.progress(500, 500, None, None)
    events.evaluated(2, 2, 0.625)
    events.run_finished(RUN.label, "ok", 0.625, 75.0)
    events.study_finished(StudySummary(plan=PLAN, trained=1, skipped=1, failed=0, run_ids=("a1", "a2")))


def test_plain_lines_hold_one_line_for_each_look() -> None:
    stream = io.StringIO()
    clock = Watch()
    act(PlainEvents(stream, clock=clock), clock)
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


def test_quiet_shows_warnings_alone() -> None:
    stream = io.StringIO()
    act(QuietEvents(stream), Watch())
    assert stream.getvalue() == "warning: no WordNet\n"


@pytest.mark.parametrize("verbose", [False, True])
def test_live_bars_keep_brackets_and_show_evaluations_if_wanted(
    verbose: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    clock = Watch()
    with RichEvents(stream, verbose=verbose, clock=clock) as events:
        act(events, clock)
    shown = stream.getvalue()
    assert "eda[alpha=0.2] on rte, seed 0: ok 62.5 after 1 min" in shown
    assert "warning: no WordNet" in shown
    assert ("evaluation 1/2: 50.0" in shown) is verbose


@pytest.fixture
def three() -> Plan:
    """Three runs to do, of 100, 300 and 600 updates."""
    runs = [PlannedRun(f"a{n}", "kd", "rte", n, n * 100, done=False) for n in (1, 3, 6)]
    return replace(PLAN, runs=(PLAN.runs[0], *runs))


def test_plain_lines_say_how_long_all_runs_will_take(three: Plan) -> None:
    stream, clock = io.StringIO(), Watch()
    events = PlainEvents(stream, clock=clock)
    events.study_started(three)
    for position in (1, 2, 3):
        label = three.todo[position - 1].label
        events.run_started(label, position, 3)
        clock.now += 60
        events.run_finished(label, "ok", 0.5, 60.0)
    starts = [line for line in stream.getvalue().splitlines() if line.startswith("[")]
    assert starts == [
        "[1/3] kd on rte, seed 1",
        "[2/3] kd on rte, seed 3; 9 min left in all",
        "[3/3] kd on rte, seed 6; 3 min left in all",
    ]


def test_the_bar_of_a_run_shows_its_preparation_first(three: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    clock = Watch()
    with RichEvents(Terminal(), verbose=False, clock=clock) as events:
        events.study_started(three)
        events.run_started("kd on rte, seed 1", 1, 3)
        events.stage("teacher for rte")
        clock.now += 60
        events.progress(1, 4, 0.5, None)
        assert shown(events) == ("teacher for rte", 1, 4, "loss 0.500, 3 min left")
        events.stage("generator for rte")
        assert shown(events) == ("generator for rte", 0, None, "")
        events.progress(5, 100, 0.25, 42.0)
        assert shown(events) == ("kd on rte, seed 1", 5, 100, "loss 0.250, 42 s left")
        events.run_finished("kd on rte, seed 1", "ok", 0.5, 60.0)
        assert shown(events) == ("runs", 2, 4, "9 min left in all")


def shown(events: RichEvents) -> tuple[object, ...]:
    """The lowest bar: its title, how far it is, and what is written beside it."""
    bar = events.bars.tasks[-1]
    return bar.description, bar.completed, bar.total, bar.fields["detail"]


def test_time_left_is_known_only_in_the_middle(three: Plan) -> None:
    clock = Watch()
    pace, study = Pace(clock), StudyPace(three, clock)
    clock.now = 10.0
    assert [pace.left(done, 8) for done in (0, 2, 8)] == [None, 30.0, None]
    left = []
    for run in (*three.todo, three.todo[-1]):
        left.append(study.left())
        study.run_finished(run.label)
    assert left == [None, 90.0, 15.0, None]


def test_teachers_and_the_plan_weigh_in_the_time_left(three: Plan) -> None:
    clock = Watch()
    sized = [replace(run, seconds=100.0 * size) for run, size in zip(three.todo, (1, 3, 6), strict=True)]
    plan = replace(three, runs=(three.runs[0], *sized), teachers={"rte": 1000.0, "mrpc": 2000.0})
    study = StudyPace(plan, clock)
    clock.now = 400.0
    study.run_finished(sized[0].label)  # and rte's teacher: 1100 of 4000
    assert study.left() == pytest.approx(400 * 2900 / 1100)
    study = StudyPace(replace(plan, seconds=2000.0), clock)  # on two devices; the prior is 200 of them
    clock.now += 400.0
    study.run_finished(sized[0].label)
    assert study.left() == pytest.approx(0.725 * 2000 * (400 + 200) / (0.275 * 2000 + 200))
    study.run_finished("of another study")
    for run in sized[1:]:
        study.run_finished(run.label)
    assert study.left() == pytest.approx(0.5 * 2000 * (400 + 200) / (0.5 * 2000 + 200))  # mrpc's teacher


def test_what_was_done_before_an_interruption_took_no_time_now(three: Plan) -> None:
    stream, clock = io.StringIO(), Watch()
    events = PlainEvents(stream, clock=clock)
    events.study_started(three)
    events.stage("teacher for rte")
    for done in range(51, 76):
        clock.now += 4
        events.progress(done, 100, 0.5, None)
    assert (
        "  75 %, loss 0.500, 2 min left" in stream.getvalue().splitlines()
    )  # 25 of 4 s each, not 75 in 100 s


def test_a_failed_run_has_no_score() -> None:
    stream = io.StringIO()
    PlainEvents(stream).run_finished(RUN.label, "failed", None, 3.0)
    assert stream.getvalue() == "  failed after 3 s\n"


@pytest.mark.parametrize(
    ("stream", "quiet", "kind"),
    [
        (io.StringIO(), True, QuietEvents),
        (io.StringIO(), False, PlainEvents),
        (Terminal(), False, RichEvents),
    ],
)
def test_the_watcher_fits_the_stream(stream: io.StringIO, quiet: bool, kind: type) -> None:
    with watcher(quiet=quiet, verbose=False, stream=stream) as events:
        assert type(events) is kind


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (90, "2 min"), (3599, "1 h 0 min"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_lines_of_several_runs_at_a_time_begin_with_theirs(three: Plan) -> None:
    stream = io.StringIO()
    events = PlainEvents(stream, clock=Watch())
    events.study_started(three)
    first, second = events.run_view(1), events.run_view(2)
    first.stage("teacher for rte")
    first.progress(1, 2, 0.5, None)
    second.run_started("kd on rte, seed 1", 1, 3)
    second.stage("generator for rte")
    first.run_started("kd on rte, seed 3", 2, 3)
    second.progress(5, 10, 0.5, 60.0)
    second.evaluated(1, 2, 0.5)
    first.run_finished("kd on rte, seed 3", "ok", 0.5, 60.0)
    assert stream.getvalue().splitlines()[1:] == [
        "teacher for rte",
        "teacher for rte: 50 %, loss 0.500, 0 s left",
        "[1/3] kd on rte, seed 1",
        "generator for rte",
        "[2/3] kd on rte, seed 3",
        "kd on rte, seed 1: evaluation 1/2: 50.0, loss 0.500, 1 min left",
        "kd on rte, seed 3: ok 50.0 after 1 min",
    ]


def test_bars_of_several_runs_at_a_time_stand_together(three: Plan) -> None:
    with RichEvents(Terminal(), verbose=False, clock=Watch()) as events:
        events.study_started(three)
        lanes = [events.run_view(1), events.run_view(2)]
        for view, run in zip(lanes, three.todo, strict=False):
            view.run_started(run.label, 1, 3)
        assert [bar.description for bar in events.bars.tasks] == [
            "runs",
            "kd on rte, seed 1",
            "kd on rte, seed 3",
        ]
        lanes[0].run_finished("kd on rte, seed 1", "ok", 0.5, 1.0)
        assert [bar.description for bar in events.bars.tasks] == ["runs", "kd on rte, seed 3"]
