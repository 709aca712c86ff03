"""What a study shows while it runs: live bars on a terminal, plain lines elsewhere, or almost nothing."""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from matekd_bench.cli.ui.pace import Clock, Pace, StudyPace
from matekd_bench.study.events import NoEvents

if TYPE_CHECKING:
    from rich.progress import TaskID

    from matekd_bench.study.events import Events, Plan, StudySummary


@contextmanager
def watcher(*, quiet: bool, verbose: bool, stream: TextIO | None = None) -> Iterator[Events]:
    """The right watcher for the options and for `stream` (stderr, so that stdout holds the result alone)."""
    stream = stream or sys.stderr
    if quiet:
        yield QuietEvents(stream)
    elif not stream.isatty():
        yield PlainEvents(stream, verbose=verbose)
    else:
        with RichEvents(stream, verbose=verbose) as events:
            yield events


class QuietEvents(NoEvents):
    """Shows warnings alone, or also details if they are wanted."""

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        self.stream = stream
        self.verbose = verbose

    def say(self, text: str) -> None:
        """One line."""
        print(text, file=self.stream, flush=True)

    def warning(self, text: str) -> None:
        """A line that starts with "warning"."""
        self.say(f"warning: {text}")

    def detail(self, text: str) -> None:
        """As it is, if details are wanted."""
        if self.verbose:
            self.say(text)


class PlainEvents(QuietEvents):
    """Plain lines, at most one for each evaluation: for log files and pipes."""

    def __init__(self, stream: TextIO, *, verbose: bool = False, clock: Clock = time.monotonic) -> None:
        super().__init__(stream, verbose=verbose)
        self.clock = clock
        self.seen: tuple[float | None, float | None] = (None, None)
        self.stage_quarter: int | None = None  # of a preparation under way, None outside one
        self.stage_pace = Pace(self.clock)
        self.study_pace: StudyPace | None = None
        self.whose: str | None = None  # what a view's lines are about, None where there is one run at a time
        self.running = ""  # the run of a view, whose preparation may be what its lines are about

    def run_view(self, number: int) -> PlainEvents:
        """The same lines, each beginning with the run that it is about."""
        view = copy.copy(self)
        view.whose = ""
        return view

    def about(self, text: str) -> None:
        """A line about what is under way."""
        self.say(f"  {text}" if self.whose is None else f"{self.whose}: {text}")

    def study_started(self, plan: Plan) -> None:
        """The grid in one line."""
        self.study_pace = StudyPace(plan, self.clock)
        self.say(grid_line(plan))

    def note(self, text: str) -> None:
        """A notice, e.g. about skipped rows."""
        self.say(f"note: {text}")

    def stage(self, text: str) -> None:
        """What is being prepared."""
        self.stage_quarter, self.stage_pace = 0, Pace(self.clock)
        if self.whose is not None:
            self.whose = text
        self.say(text)

    def run_started(self, label: str, position: int, total: int) -> None:
        """Which run of how many, and the time left for all of them once one has been timed."""
        self.seen, self.stage_quarter = (None, None), None
        self.running = label
        self.whose = None if self.whose is None else label
        left = None if self.study_pace is None else self.study_pace.left()
        self.say(f"[{position}/{total}] {label}{'' if left is None else f'; {duration(left)} left in all'}")

    def progress(self, done: int, limit: int, loss: float | None, seconds_left: float | None) -> None:
        """Kept for the line of the next evaluation; of a preparation, a line at each quarter."""
        self.seen = (loss, seconds_left)
        self.stage_pace.step(done)
        if seconds_left is not None or self.stage_quarter is None:
            self.stage_quarter = None
        elif (quarter := 4 * done // limit) > self.stage_quarter:
            self.stage_quarter = quarter
            parts = [f"{25 * quarter} %", *measures(loss, self.stage_pace.left(done, limit))]
            self.about(", ".join(parts))

    def evaluated(self, evaluation: int, evaluations: int, score: float) -> None:
        """Score, loss and time left."""
        loss, left = self.seen
        self.whose = None if self.whose is None else self.running
        time_left = "" if left is None else f", {duration(left)} left"
        self.about(f"{evaluation_line(evaluation, evaluations, score, loss)}{time_left}")

    def run_finished(self, label: str, status: str, score: float | None, seconds: float) -> None:
        """How the run ended."""
        if self.study_pace is not None:
            self.study_pace.run_finished(label)
        self.whose = None if self.whose is None else label
        self.about(end_line(status, score, seconds))


class RichEvents(QuietEvents):
    """Live bars: one for the grid, one for the current run; lines for what should stay."""

    def __init__(self, stream: TextIO, *, verbose: bool, clock: Clock = time.monotonic) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        super().__init__(stream, verbose=verbose)
        self.clock = clock
        self.bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[detail]}", markup=False),
            console=Console(file=stream),
            transient=True,
        )
        self.grid: TaskID | None = None
        self.current: TaskID | None = None
        self.label: str | None = None  # of the current run, while its bar shows a preparation
        self.stage_pace = Pace(self.clock)
        self.study_pace: StudyPace | None = None

    def __enter__(self) -> RichEvents:
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def run_view(self, number: int) -> RichEvents:
        """A watcher with a bar of its own below those of the others."""
        view = copy.copy(self)
        view.current = view.label = None
        return view

    def say(self, text: str) -> None:
        """One line above the bars, as it is: brackets in method names are not markup."""
        self.bars.console.print(text, markup=False, highlight=False)

    def study_started(self, plan: Plan) -> None:
        """The grid's bar, at what is already recorded."""
        self.say(grid_line(plan))
        self.study_pace = StudyPace(plan, self.clock)
        self.grid = self.bars.add_task(
            "runs", total=len(plan.runs), completed=len(plan.runs) - len(plan.todo), detail=""
        )

    def note(self, text: str) -> None:
        """A notice, e.g. about skipped rows."""
        self.say(f"note: {text}")

    def stage(self, text: str) -> None:
        """What is being prepared, with a bar of its own in place of the run's."""
        self.stage_pace = Pace(self.clock)
        if self.current is None:
            self.say(text)
        else:
            self._remove_bar()
            self.current = self.bars.add_task(text, total=None, detail="")

    def run_started(self, label: str, position: int, total: int) -> None:
        """A bar for this run."""
        self.label = label
        self._remove_bar()
        self.current = self.bars.add_task(label, total=None, detail="")

    def progress(self, done: int, limit: int, loss: float | None, seconds_left: float | None) -> None:
        """The bar of the run or of its preparation, with loss and time left."""
        if self.current is None:
            return
        self.stage_pace.step(done)
        left = self.stage_pace.left(done, limit) if seconds_left is None else seconds_left
        if seconds_left is not None:
            self.bars.update(self.current, description=self.label)
        self.bars.update(self.current, completed=done, total=limit, detail=", ".join(measures(loss, left)))

    def evaluated(self, evaluation: int, evaluations: int, score: float) -> None:
        """A line, if they are wanted."""
        if self.verbose:
            self.say(f"  {evaluation_line(evaluation, evaluations, score, None)}")

    def run_finished(self, label: str, status: str, score: float | None, seconds: float) -> None:
        """A line that stays; the run's bar goes."""
        self.say(f"{label}: {end_line(status, score, seconds)}")
        self._remove_bar()
        if self.grid is not None and self.study_pace is not None:
            self.study_pace.run_finished(label)
            left = self.study_pace.left()
            self.bars.update(
                self.grid, advance=1, detail="" if left is None else f"{duration(left)} left in all"
            )

    def _remove_bar(self) -> None:
        if self.current is not None:
            self.bars.remove_task(self.current)
            self.current = None

    def study_finished(self, summary: StudySummary) -> None:
        """Removes the grid's bar."""
        if self.grid is not None:
            self.bars.remove_task(self.grid)
            self.grid = None


def measures(loss: float | None, seconds_left: float | None) -> list[str]:
    """Loss and time left as text, as far as they are known."""
    parts = [] if loss is None else [f"loss {loss:.3f}"]
    return parts if seconds_left is None else [*parts, f"{duration(seconds_left)} left"]


def grid_line(plan: Plan) -> str:
    """The grid in one sentence."""
    left = len(plan.todo)
    state = f"{left} to do" if left else "all recorded"
    time = "" if plan.seconds is None or not left else f", about {duration(plan.seconds)}"
    return (
        f"{len(plan.runs)} runs ({_count(plan.methods, 'method')} x {_count(plan.tasks, 'task')} x "
        f"{_count(plan.seeds, 'seed')}), {state}{time}; records go to {plan.results}"
    )


def evaluation_line(evaluation: int, evaluations: int, score: float, loss: float | None) -> str:
    """One evaluation as text; the score in points."""
    return f"evaluation {evaluation}/{evaluations}: {100 * score:.1f}{'' if loss is None else f', loss {loss:.3f}'}"


def end_line(status: str, score: float | None, seconds: float) -> str:
    """How a run ended, as text; the score in points."""
    shown = "" if score is None else f" {100 * score:.1f}"
    return f"{status}{shown} after {duration(seconds)}"


def duration(seconds: float) -> str:
    """Seconds as people say them: "42 s", "3 min", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{minutes} min"


def _count(things: tuple[object, ...], word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"
