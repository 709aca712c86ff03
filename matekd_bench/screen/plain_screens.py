"""Screens that print whole lines: only warnings with ``--quiet``, else a line for each phase and run."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from typing import TextIO

from matekd_bench.events import (
    Evaluated,
    Event,
    Message,
    Progress,
    RunFinished,
    RunStarted,
    Sink,
    StopRequested,
    StudyStarted,
)
from matekd_bench.screen.time_left import Clock, StudyPace
from matekd_bench.screen.wording import STOPPING, duration, end_line, evaluation_line, grid_line

LONG_PHASE = 10.0  # seconds; a shorter counted step gets no line


class QuietScreen(Sink):
    """A sink that prints only warnings and, with `details`, also details such as tracebacks.

    Subclasses add a method for each kind of event that they show: `on_` and the name of its class in lower case.
    """

    def __init__(self, stream: TextIO, *, details: bool = False) -> None:
        self.stream = stream
        self.details = details

    def emit(self, event: Event) -> None:
        """Show the event if this screen shows its kind."""
        show = getattr(self, f"on_{type(event).__name__.lower()}", None)
        if show is not None:
            show(event)

    def print_line(self, text: str) -> None:
        """Print one line."""
        print(text, file=self.stream, flush=True)

    def on_message(self, message: Message) -> None:
        """Print a warning, or a detail such as a traceback if details are wanted."""
        if message.kind == "warning":
            self.print_line(f"warning: {message.text}")
        elif message.kind == "detail" and self.details:
            self.print_line(message.text)

    def on_stoprequested(self, request: StopRequested) -> None:
        """Write a line without using the stream, because this is a signal handler that may have interrupted a print."""
        with contextlib.suppress(OSError):  # a stream without a file, such as a test's
            os.write(self.stream.fileno(), f"{STOPPING}\n".encode())


@dataclass
class RunLine:
    """The state of a run on a screen of lines: its name, the number of all runs, and a phase that has no line yet."""

    label: str = ""
    total: int = 1
    phase: str = ""
    phase_started: float = 0.0
    seconds_left: float | None = None


class LineScreen(QuietScreen):
    """A sink that prints plain lines, for log files, pipes and notebooks.

    There is one line for the grid, one for each run when it ends, and one for each counted step that takes at least
    LONG_PHASE. With `verbose` every evaluation also gets a line.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        verbose: bool = False,
        details: bool = False,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(stream, details=details)
        self.verbose, self.clock = verbose, clock
        self.study_pace: StudyPace | None = None
        self.finished = 0  # runs of the study, or trials before it starts
        self.runs: dict[str, RunLine] = {}  # current runs, by run id
        self.phases: set[str] = set()  # phases that have a line: one for all processes

    def on_studystarted(self, study: StudyStarted) -> None:
        """Print the grid in one line."""
        self.study_pace, self.finished = StudyPace(study, self.clock), 0
        self.print_line(grid_line(study))

    def on_message(self, message: Message) -> None:
        """Print a note or a step; keep a counted step, in case it takes long."""
        if message.kind == "note":
            self.print_line(f"note: {message.text}")
        elif message.kind != "stage":
            super().on_message(message)
        elif message.counted:
            run = self._run(message.run_id)
            run.phase, run.phase_started = message.text, self.clock()
        else:
            self._print_phase(message.text)

    def on_runstarted(self, started: RunStarted) -> None:
        """Keep the name of the run for its lines."""
        run = self._run(started.run_id)
        run.label, run.total = started.label, started.total
        if self.study_pace is not None:
            self.study_pace.run_started(started.run_id)

    def on_progress(self, progress: Progress) -> None:
        """Print a preparation that takes long, once; keep the time left for the next evaluation's line."""
        run = self._run(progress.run_id)
        run.seconds_left = progress.seconds_left
        if not progress.preparing:
            run.phase = ""
        elif run.phase and self.clock() - run.phase_started >= LONG_PHASE:
            self._print_phase(run.phase)
            run.phase = ""

    def on_evaluated(self, evaluation: Evaluated) -> None:
        """Print score, loss and time left if `verbose`."""
        if self.verbose:
            run = self._run(evaluation.run_id)
            time_left = "" if run.seconds_left is None else f", {duration(run.seconds_left)} left in the run"
            self.print_line(f"{run.label}: {evaluation_line(evaluation, evaluation.loss)}{time_left}")

    def on_runfinished(self, end: RunFinished) -> None:
        """Print the number of finished runs, the run, how it ended, and the time left for all runs."""
        left = None
        if self.study_pace is not None:
            self.study_pace.run_finished(end)
            left = self.study_pace.left()
        time_left = "" if not left else f"; {duration(left)} left in total"
        run = self.runs.pop(end.run_id)
        self.finished += 1
        self.print_line(f"[{self.finished}/{run.total}] {run.label}: {end_line(end)}{time_left}")

    def _run(self, run_id: str) -> RunLine:
        return self.runs.setdefault(run_id, RunLine())

    def _print_phase(self, text: str) -> None:
        if text not in self.phases:
            self.phases.add(text)
            self.print_line(text)
