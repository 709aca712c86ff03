"""The progress of a study: live bars on a terminal, plain lines elsewhere, only warnings with ``--quiet``."""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from matekd_bench.cli.ui.time_left import Clock, Pace, StudyPace
from matekd_bench.study.events import NoEvents

if TYPE_CHECKING:
    from rich.progress import TaskID

    from matekd_bench.study.events import Events, Plan, StudySummary


@contextmanager
def watcher(*, quiet: bool, verbose: bool, stream: TextIO | None = None) -> Iterator[Events]:
    """Yield the watcher that the options ask for: bars if `stream` is a terminal, else lines.

    `stream` is stderr by default, so that stdout holds nothing but the result.
    """
    stream = stream or sys.stderr
    if quiet:
        yield QuietEvents(stream)
    elif not stream.isatty():
        yield PlainEvents(stream, verbose=verbose)
    else:
        with RichEvents(stream, verbose=verbose) as events:
            yield events


class QuietEvents(NoEvents):
    """A watcher that prints only warnings, and with `verbose` details too."""

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        self.stream = stream
        self.verbose = verbose

    def print_line(self, text: str) -> None:
        """Print one line."""
        print(text, file=self.stream, flush=True)

    def warning(self, text: str) -> None:
        """Print a warning."""
        self.print_line(f"warning: {text}")

    def detail(self, text: str) -> None:
        """Print a detail such as a traceback, if `verbose`."""
        if self.verbose:
            self.print_line(text)


class PlainEvents(QuietEvents):
    """A watcher that prints plain lines, for log files and pipes.

    A run prints one line for its start, one per evaluation and one for its end.
    """

    def __init__(self, stream: TextIO, *, verbose: bool = False, clock: Clock = time.monotonic) -> None:
        super().__init__(stream, verbose=verbose)
        self.clock = clock
        self.last_progress: tuple[float | None, float | None] = (None, None)  # loss, seconds left
        self.stage_quarter: int | None = None  # quarters printed of a preparation; None outside one
        self.stage_pace = Pace(self.clock)
        self.study_pace: StudyPace | None = None
        # in a per-run view, the run or preparation that lines begin with; None where runs are trained one at a time
        self.subject: str | None = None
        self.run_label = ""  # in a per-run view, the run to return to after a preparation

    def run_view(self, number: int) -> PlainEvents:
        """Return a watcher that begins each line with its run."""
        view = copy.copy(self)
        view.subject = ""
        return view

    def print_about_run(self, text: str) -> None:
        """Print a line about the current run: indented, or in a per-run view after the subject."""
        self.print_line(f"  {text}" if self.subject is None else f"{self.subject}: {text}")

    def study_started(self, plan: Plan) -> None:
        """Print the grid in one line."""
        self.study_pace = StudyPace(plan, self.clock)
        self.print_line(grid_line(plan))

    def note(self, text: str) -> None:
        """Print a notice, e.g. about skipped rows."""
        self.print_line(f"note: {text}")

    def stage(self, text: str) -> None:
        """Print what is being prepared."""
        self.stage_quarter, self.stage_pace = 0, Pace(self.clock)
        if self.subject is not None:
            self.subject = text
        self.print_line(text)

    def run_started(self, label: str, position: int, total: int) -> None:
        """Print the run and its position in the grid; after the first finished run also the time left for all."""
        self.last_progress, self.stage_quarter = (None, None), None
        self.run_label = label
        self.subject = None if self.subject is None else label
        left = None if self.study_pace is None else self.study_pace.left()
        self.print_line(
            f"[{position}/{total}] {label}{'' if left is None else f'; {duration(left)} left in all'}"
        )

    def progress(self, done: int, limit: int, loss: float | None, seconds_left: float | None) -> None:
        """Keep loss and time left for the next evaluation's line; for a preparation, print a line at each quarter.

        A report with `seconds_left` comes from a run, so the preparation is over.
        """
        self.last_progress = (loss, seconds_left)
        self.stage_pace.step(done)
        if seconds_left is not None or self.stage_quarter is None:
            self.stage_quarter = None
        elif (quarter := 4 * done // limit) > self.stage_quarter:
            self.stage_quarter = quarter
            parts = [f"{25 * quarter} %", *measures(loss, self.stage_pace.left(done, limit))]
            self.print_about_run(", ".join(parts))

    def evaluated(self, evaluation: int, evaluations: int, score: float) -> None:
        """Print score, loss and time left."""
        loss, left = self.last_progress
        self.subject = None if self.subject is None else self.run_label
        time_left = "" if left is None else f", {duration(left)} left"
        self.print_about_run(f"{evaluation_line(evaluation, evaluations, score, loss)}{time_left}")

    def run_finished(self, label: str, status: str, score: float | None, seconds: float) -> None:
        """Print how the run ended."""
        if self.study_pace is not None:
            self.study_pace.run_finished(label)
        self.subject = None if self.subject is None else label
        self.print_about_run(end_line(status, score, seconds))


class RichEvents(QuietEvents):
    """A watcher with live bars, one for the grid and one for the current run; lines for what should stay."""

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
        self.label: str | None = None  # of the current run, also while its bar shows a preparation
        self.stage_pace = Pace(self.clock)
        self.study_pace: StudyPace | None = None

    def __enter__(self) -> RichEvents:
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def run_view(self, number: int) -> RichEvents:
        """Return a watcher with a bar of its own, below those of the other runs."""
        view = copy.copy(self)
        view.current = view.label = None
        return view

    def print_line(self, text: str) -> None:
        """Print one line above the bars, without markup, because method names contain brackets."""
        self.bars.console.print(text, markup=False, highlight=False)

    def study_started(self, plan: Plan) -> None:
        """Add the grid's bar, starting at the number of recorded runs."""
        self.print_line(grid_line(plan))
        self.study_pace = StudyPace(plan, self.clock)
        self.grid = self.bars.add_task(
            "runs", total=len(plan.runs), completed=len(plan.runs) - len(plan.todo), detail=""
        )

    def note(self, text: str) -> None:
        """Print a notice, e.g. about skipped rows."""
        self.print_line(f"note: {text}")

    def stage(self, text: str) -> None:
        """Replace the run's bar by one for the preparation; outside a run, print a line."""
        self.stage_pace = Pace(self.clock)
        if self.current is None:
            self.print_line(text)
        else:
            self._remove_bar()
            self.current = self.bars.add_task(text, total=None, detail="")

    def run_started(self, label: str, position: int, total: int) -> None:
        """Add a bar for this run."""
        self.label = label
        self._remove_bar()
        self.current = self.bars.add_task(label, total=None, detail="")

    def progress(self, done: int, limit: int, loss: float | None, seconds_left: float | None) -> None:
        """Update the bar of the run or of its preparation, with loss and time left."""
        if self.current is None:
            return
        self.stage_pace.step(done)
        left = self.stage_pace.left(done, limit) if seconds_left is None else seconds_left
        if seconds_left is not None:
            self.bars.update(self.current, description=self.label)
        self.bars.update(self.current, completed=done, total=limit, detail=", ".join(measures(loss, left)))

    def evaluated(self, evaluation: int, evaluations: int, score: float) -> None:
        """Print a line, if `verbose`."""
        if self.verbose:
            self.print_line(f"  {evaluation_line(evaluation, evaluations, score, None)}")

    def run_finished(self, label: str, status: str, score: float | None, seconds: float) -> None:
        """Print how the run ended, remove its bar and advance the grid's."""
        self.print_line(f"{label}: {end_line(status, score, seconds)}")
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
        """Remove the grid's bar."""
        if self.grid is not None:
            self.bars.remove_task(self.grid)
            self.grid = None


def measures(loss: float | None, seconds_left: float | None) -> list[str]:
    """Return loss and time left as text, those that are known."""
    parts = [] if loss is None else [f"loss {loss:.3f}"]
    return parts if seconds_left is None else [*parts, f"{duration(seconds_left)} left"]


def grid_line(plan: Plan) -> str:
    """Describe the grid in one sentence."""
    left = len(plan.todo)
    state = f"{left} to do" if left else "all recorded"
    time = "" if plan.seconds is None or not left else f", about {duration(plan.seconds)}"
    return (
        f"{len(plan.runs)} runs ({_count(plan.methods, 'method')} x {_count(plan.tasks, 'task')} x "
        f"{_count(plan.seeds, 'seed')}), {state}{time}; records go to {plan.results}"
    )


def evaluation_line(evaluation: int, evaluations: int, score: float, loss: float | None) -> str:
    """Describe one evaluation; the score is in points (0 to 100)."""
    return f"evaluation {evaluation}/{evaluations}: {100 * score:.1f}{'' if loss is None else f', loss {loss:.3f}'}"


def end_line(status: str, score: float | None, seconds: float) -> str:
    """Describe how a run ended; the score is in points (0 to 100)."""
    points = "" if score is None else f" {100 * score:.1f}"
    return f"{status}{points} after {duration(seconds)}"


def duration(seconds: float) -> str:
    """Format seconds for people: "42 s", "3 min", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{minutes} min"


def _count(things: tuple[object, ...], word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"
