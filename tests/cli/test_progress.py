"""What the three watchers print."""

from __future__ import annotations

import io

import pytest

from matekd_bench.cli.progress import PlainEvents, QuietEvents, RichEvents, duration, watcher
from matekd_bench.study.events import Events, Plan, PlannedRun, Summary

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


def act(events: Events) -> None:
    """A study of one run with two looks."""
    events.study_started(PLAN)
    events.note("3 broken rows skipped")
    events.stage("fine-tuning the teacher on rte")
    for done in range(1, 9):
        events.progress(done, 8, 0.25, None)
    events.warning("no WordNet")
    events.detail("Traceback: ...")
    events.run_started(RUN.label, 2, 2)
    for done in range(0, 500, 50):
        events.progress(done, 500, 0.51234, 90.0)
    events.look_done(1, 2, 0.5)
    events.progress(500, 500, None, None)
    events.look_done(2, 2, 0.625)
    events.run_finished(RUN.label, "ok", 0.625, 75.0)
    events.study_finished(Summary(plan=PLAN, trained=1, skipped=1, failed=0, run_ids=("a1", "a2")))


def test_plain_lines_hold_one_line_for_each_look() -> None:
    stream = io.StringIO()
    act(PlainEvents(stream))
    assert stream.getvalue().splitlines() == [
        "2 runs (2 methods x 1 task x 1 seed), 1 to do; records go to results",
        "note: 3 broken rows skipped",
        "fine-tuning the teacher on rte",
        "  25 %, loss 0.250",
        "  50 %, loss 0.250",
        "  75 %, loss 0.250",
        "  100 %, loss 0.250",
        "warning: no WordNet",
        "[2/2] eda[alpha=0.2] on rte, seed 0",
        "  look 1/2: 50.0, loss 0.512, 2 min left",
        "  look 2/2: 62.5",
        "  ok 62.5 after 1 min",
    ]


def test_quiet_shows_warnings_alone() -> None:
    stream = io.StringIO()
    act(QuietEvents(stream))
    assert stream.getvalue() == "warning: no WordNet\n"


@pytest.mark.parametrize("verbose", [False, True])
def test_live_bars_keep_brackets_and_show_looks_if_wanted(
    verbose: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with RichEvents(stream, verbose=verbose) as events:
        act(events)
    shown = stream.getvalue()
    assert "eda[alpha=0.2] on rte, seed 0: ok 62.5 after 1 min" in shown
    assert "warning: no WordNet" in shown
    assert ("look 1/2: 50.0" in shown) is verbose


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
