"""The progress of a study: live bars on a terminal, plain lines elsewhere, only warnings with ``--quiet``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from matekd_bench.events import (
    Evaluated,
    Event,
    Message,
    Progress,
    RunFinished,
    RunStarted,
    Sink,
    StudyFinished,
    StudyStarted,
)
from matekd_bench.files.printable import printable
from matekd_bench.screen.escaped_streams import terminal
from matekd_bench.screen.time_left import Clock, Pace, StudyPace

if TYPE_CHECKING:
    from rich.progress import TaskID


@contextmanager
def watcher(
    *, quiet: bool = False, verbose: bool = False, debug: bool = False, stream: TextIO | None = None
) -> Iterator[Sink]:
    """Yield the sink that the options ask for: bars on a terminal, a line per run in a notebook, else lines.

    `stream` is stderr by default, so that stdout holds nothing but the result; notebooks show stderr as an error, so
    there it is stdout.
    """
    notebook = stream is None and in_notebook()
    stream = stream or (sys.stdout if notebook else sys.stderr)
    if quiet:
        yield QuietScreen(stream, details=debug)
    elif notebook and not verbose:
        yield NotebookScreen(stream, details=debug)
    elif not stream.isatty():
        yield LineScreen(stream, details=verbose or debug)
    else:
        with BarScreen(stream, verbose=verbose, details=verbose or debug) as screen:
            yield screen


def in_notebook() -> bool:
    """Return True in a cell of a Jupyter notebook."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None


class QuietScreen(Sink):
    """A sink that prints only warnings, and with `details` those too, such as tracebacks.

    Subclasses add a method for each kind of event that they show: `on_` and the name of its class in lower case.
    """

    def __init__(self, stream: TextIO, *, details: bool = False) -> None:
        self.stream = stream
        self.details = details

    def emit(self, event: Event) -> None:
        """Show the event, if this screen shows its kind."""
        show = getattr(self, f"on_{type(event).__name__.lower()}", None)
        if show is not None:
            show(event)

    def print_line(self, text: str) -> None:
        """Print one line."""
        print(text, file=self.stream, flush=True)

    def on_message(self, message: Message) -> None:
        """Print a warning, and a detail such as a traceback if it is asked for."""
        if message.kind == "warning":
            self.print_line(f"warning: {message.text}")
        elif message.kind == "detail" and self.details:
            self.print_line(message.text)


@dataclass
class RunView:
    """What a screen keeps of a run: its label, the pace of its preparation, and what was shown last.

    `subject` is the run or the preparation that its lines are about. `quarter` counts the quarters printed of a
    preparation, None outside one. `bar` is its bar, if it has one.
    """

    pace: Pace
    label: str = ""
    subject: str = ""
    quarter: int | None = None
    seconds_left: float | None = None
    bar: TaskID | None = None


class LineScreen(QuietScreen):
    """A sink that prints plain lines, for log files and pipes.

    A run prints one line for its start, one per evaluation and one for its end. While several runs train at a time,
    each line begins with its run.
    """

    def __init__(self, stream: TextIO, *, details: bool = False, clock: Clock = time.monotonic) -> None:
        super().__init__(stream, details=details)
        self.clock = clock
        self.study_pace: StudyPace | None = None
        self.runs: dict[str, RunView] = {}  # runs under way, by run id
        self.together = False  # True once several runs have trained at a time

    def on_studystarted(self, study: StudyStarted) -> None:
        """Print the grid in one line."""
        self.study_pace = StudyPace(study, self.clock)
        self.print_line(grid_line(study))

    def on_message(self, message: Message) -> None:
        """Print a notice, or what is being prepared."""
        if message.kind == "note":
            self.print_line(f"note: {message.text}")
        elif message.kind == "stage":
            run = self._run(message.run_id)
            run.quarter, run.pace, run.subject = 0, Pace(self.clock), message.text
            self.print_line(message.text)
        else:
            super().on_message(message)

    def on_runstarted(self, started: RunStarted) -> None:
        """Print the run and its position in the grid; after the first finished run also the time left for all."""
        run = self._run(started.run_id)
        run.label = run.subject = started.label
        run.quarter = run.seconds_left = None
        left = None if self.study_pace is None else self.study_pace.left()
        time_left = "" if left is None else f"; {duration(left)} left in all"
        self.print_line(f"[{started.position}/{started.total}] {started.label}{time_left}")

    def on_progress(self, progress: Progress) -> None:
        """Keep the time left for the next evaluation's line; for a preparation, print a line at each quarter.

        Progress with `seconds_left` comes from a run, so the preparation is over.
        """
        run = self._run(progress.run_id)
        run.seconds_left = progress.seconds_left
        run.pace.step(progress.done)
        if progress.seconds_left is not None or run.quarter is None:
            run.quarter = None
        elif (quarter := 4 * progress.done // progress.limit) > run.quarter:
            run.quarter = quarter
            left = run.pace.left(progress.done, progress.limit)
            self._print_about(run, ", ".join([f"{25 * quarter} %", *measures(progress.loss, left)]))

    def on_evaluated(self, evaluation: Evaluated) -> None:
        """Print score, loss and time left."""
        run = self._run(evaluation.run_id)
        run.subject = run.label
        time_left = "" if run.seconds_left is None else f", {duration(run.seconds_left)} left"
        self._print_about(run, f"{evaluation_line(evaluation, evaluation.loss)}{time_left}")

    def on_runfinished(self, end: RunFinished) -> None:
        """Print how the run ended."""
        if self.study_pace is not None:
            self.study_pace.run_finished(end.run_id)
        run = self._run(end.run_id)
        run.subject = run.label
        self._print_about(run, end_line(end))
        del self.runs[end.run_id]

    def _run(self, run_id: str) -> RunView:
        run = self.runs.setdefault(run_id, RunView(Pace(self.clock)))
        self.together = self.together or len(self.runs.keys() - {""}) > 1
        return run

    def _print_about(self, run: RunView, text: str) -> None:
        """Print a line about a run: indented, or after its subject while several train at a time."""
        self.print_line(f"{run.subject}: {text}" if self.together else f"  {text}")


class NotebookScreen(LineScreen):
    """A sink that prints a line for each run and each preparation, for the output of a notebook's cell."""

    def on_runstarted(self, started: RunStarted) -> None:
        """Keep what the line at the end of the run begins with."""
        self._run(started.run_id).label = f"[{started.position}/{started.total}] {started.label}"

    def on_progress(self, progress: Progress) -> None:
        """Print nothing."""

    def on_evaluated(self, evaluation: Evaluated) -> None:
        """Print nothing."""

    def on_runfinished(self, end: RunFinished) -> None:
        """Print the run and how it ended, and the time left for all."""
        if self.study_pace is not None:
            self.study_pace.run_finished(end.run_id)
        left = None if self.study_pace is None else self.study_pace.left()
        time_left = "" if left is None else f"; {duration(left)} left in all"
        self.print_line(f"{self.runs.pop(end.run_id).label}: {end_line(end)}{time_left}")


class BarScreen(QuietScreen):
    """A sink with live bars, one for the grid and one for each run under way; lines for what should stay.

    With `verbose` every evaluation gets a line.
    """

    def __init__(
        self, stream: TextIO, *, verbose: bool, details: bool = False, clock: Clock = time.monotonic
    ) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bars

        super().__init__(stream, details=details)
        self.clock, self.verbose = clock, verbose
        self.bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[detail]}", markup=False),
            console=Console(file=terminal(stream)),
            transient=True,
        )
        self.grid: TaskID | None = None
        self.runs: dict[str, RunView] = {}  # runs under way, by run id
        self.study_pace: StudyPace | None = None

    def __enter__(self) -> BarScreen:
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def print_line(self, text: str) -> None:
        """Print one line above the bars, without markup, because method names contain brackets."""
        self.bars.console.print(printable(text), markup=False, highlight=False)

    def on_studystarted(self, study: StudyStarted) -> None:
        """Add the grid's bar, starting at the number of recorded runs."""
        self.print_line(grid_line(study))
        self.study_pace = StudyPace(study, self.clock)
        total, left = len(study.runs), len(study.todo)
        self.grid = self.bars.add_task("runs", total=total, completed=total - left, detail="")

    def on_message(self, message: Message) -> None:
        """Print a notice; replace the run's bar by one for what it prepares, or outside a run print a line."""
        if message.kind == "note":
            self.print_line(f"note: {message.text}")
        elif message.kind != "stage":
            super().on_message(message)
        elif message.run_id:
            view = self._view(message.run_id)
            view.pace = Pace(self.clock)
            self._show(view, message.text)
        else:
            self.print_line(message.text)

    def on_runstarted(self, started: RunStarted) -> None:
        """Add a bar for this run."""
        view = self._view(started.run_id)
        view.label = started.label
        self._show(view, started.label)

    def on_progress(self, progress: Progress) -> None:
        """Update the bar of the run or of its preparation, with loss and time left."""
        view = self.runs.get(progress.run_id)
        if view is None or view.bar is None:
            return
        view.pace.step(progress.done)
        left = progress.seconds_left
        if left is None:
            left = view.pace.left(progress.done, progress.limit)
        else:
            self.bars.update(view.bar, description=printable(view.label))
        detail = ", ".join(measures(progress.loss, left))
        self.bars.update(view.bar, completed=progress.done, total=progress.limit, detail=detail)

    def on_evaluated(self, evaluation: Evaluated) -> None:
        """Print a line, if `verbose`."""
        if self.verbose:
            self.print_line(f"  {evaluation_line(evaluation, None)}")

    def on_runfinished(self, end: RunFinished) -> None:
        """Print how the run ended, remove its bar and advance the grid's."""
        view = self.runs.pop(end.run_id)
        self.print_line(f"{view.label}: {end_line(end)}")
        self._remove(view)
        if self.grid is not None and self.study_pace is not None:
            self.study_pace.run_finished(end.run_id)
            left = self.study_pace.left()
            detail = "" if left is None else f"{duration(left)} left in all"
            self.bars.update(self.grid, advance=1, detail=detail)

    def on_studyfinished(self, end: StudyFinished) -> None:
        """Remove the grid's bar."""
        if self.grid is not None:
            self.bars.remove_task(self.grid)
            self.grid = None

    def _view(self, run_id: str) -> RunView:
        return self.runs.setdefault(run_id, RunView(Pace(self.clock)))

    def _show(self, view: RunView, text: str) -> None:
        """Begin a new bar in place of the old one."""
        self._remove(view)
        view.bar = self.bars.add_task(printable(text), total=None, detail="")

    def _remove(self, view: RunView) -> None:
        if view.bar is not None:
            self.bars.remove_task(view.bar)
            view.bar = None


def measures(loss: float | None, seconds_left: float | None) -> list[str]:
    """Return loss and time left as text, those that are known."""
    parts = [] if loss is None else [f"loss {loss:.3f}"]
    return parts if seconds_left is None else [*parts, f"{duration(seconds_left)} left"]


def grid_line(study: StudyStarted) -> str:
    """Describe the grid in one sentence."""
    left = len(study.todo)
    state = f"{left} to do" if left else "all recorded"
    time = "" if study.seconds is None or not left else f", about {duration(study.seconds)}"
    return (
        f"{len(study.runs)} runs ({_count(study.methods, 'method')} x {_count(study.tasks, 'task')} x "
        f"{_count(study.seeds, 'seed')}), {state}{time}; records go to {study.results}"
    )


def evaluation_line(evaluation: Evaluated, loss: float | None) -> str:
    """Describe one evaluation; the score is in points (0 to 100)."""
    loss_text = "" if loss is None else f", loss {loss:.3f}"
    return f"evaluation {evaluation.number}/{evaluation.total}: {100 * evaluation.score:.1f}{loss_text}"


def end_line(end: RunFinished) -> str:
    """Describe how a run ended; the score is in points (0 to 100)."""
    points = "" if end.score is None else f" {100 * end.score:.1f}"
    return f"{end.status}{points} after {duration(end.seconds)}"


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
