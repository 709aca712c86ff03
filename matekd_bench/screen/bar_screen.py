"""The screen of a terminal: live bars for the grid and the current runs, and lines for messages that stay."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from matekd_bench.events import (
    Evaluated,
    Message,
    Prepared,
    Progress,
    RunFinished,
    RunStarted,
    StopRequested,
    StudyFinished,
    StudyStarted,
)
from matekd_bench.files.printable import printable
from matekd_bench.screen.escaped_streams import terminal
from matekd_bench.screen.plain_screens import QuietScreen
from matekd_bench.screen.time_left import Clock, Pace, StudyPace
from matekd_bench.screen.wording import (
    auxiliary_count,
    end_line,
    evaluation_line,
    grid_line,
    loss_text,
    time_left,
)

if TYPE_CHECKING:
    from rich.progress import TaskID


@dataclass
class RunBar:
    """The display state of a run, or of the study itself: its label, the pace of its phase, and its bar.

    `bar` shows the current phase if there is one, else the run; it is None if there is no bar.
    """

    pace: Pace
    label: str = ""
    bar: TaskID | None = None


class BarScreen(QuietScreen):
    """A sink with live bars, one for the grid and one for each current run or phase, and lines for messages that stay.

    With `verbose` every evaluation gets a line.
    """

    def __init__(
        self, stream: TextIO, *, verbose: bool, details: bool = False, clock: Clock = time.monotonic
    ) -> None:
        from rich.console import Console

        from matekd_bench.screen.live_bars import Bars

        super().__init__(stream, details=details)
        self.clock, self.verbose = clock, verbose
        self.bars = Bars(Console(file=terminal(stream)))
        self.grid: TaskID | None = None
        self.runs: dict[str, RunBar] = {}  # current runs by run id; "" is the study's own phase
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
        self._remove("")
        self.print_line(grid_line(study))
        self.study_pace = StudyPace(study, self.clock)
        total, left = len(study.runs), len(study.todo)
        self.grid = self.bars.add_task("runs", total=total, completed=total - left)

    def on_message(self, message: Message) -> None:
        """Print a note; show a phase in place of the bar of its run, or of the study's last phase."""
        if message.kind == "note":
            self.print_line(f"note: {message.text}")
        elif message.kind == "stage":
            self._run(message.run_id).pace = Pace(self.clock)
            self._show(message.run_id, message.text)
        else:
            super().on_message(message)

    def on_runstarted(self, started: RunStarted) -> None:
        """Add a bar for this run."""
        self._run(started.run_id).label = started.label
        if self.study_pace is not None:
            self.study_pace.run_started(started.run_id)
        self._show(started.run_id, started.label)

    def on_progress(self, progress: Progress) -> None:
        """Update the bar of the run or of its phase, with loss and time left; a finished phase has no bar."""
        if progress.preparing and progress.done >= progress.limit:
            self._remove(progress.run_id)
            return
        run = self._run(progress.run_id)
        if not progress.preparing and run.label:
            self._label(progress.run_id, run.label)
        if run.bar is None:
            return
        left = progress.seconds_left
        if progress.preparing and progress.done:
            run.pace.step(progress.done)
            left = run.pace.left(progress.done, progress.limit)
        self.bars.update(
            run.bar, completed=progress.done, total=progress.limit,
            extra=auxiliary_count(progress), left=time_left(left), loss=loss_text(progress.loss),
        )  # fmt: skip

    def on_prepared(self, prepared: Prepared) -> None:
        """Remove the bar of a preparation: the run that it is named after may start much later."""
        self._remove(prepared.run_id)
        self.runs.pop(prepared.run_id, None)

    def on_evaluated(self, evaluation: Evaluated) -> None:
        """Print a line if `verbose`."""
        if self.verbose:
            label = self._run(evaluation.run_id).label
            self.print_line(f"{label}: {evaluation_line(evaluation, None)}")

    def on_runfinished(self, end: RunFinished) -> None:
        """Print how the run ended, remove its bar and advance the grid's."""
        self.print_line(f"{self._run(end.run_id).label}: {end_line(end)}")
        self._remove(end.run_id)
        del self.runs[end.run_id]
        if self.grid is not None and self.study_pace is not None:
            self.study_pace.run_finished(end)
            left = self.study_pace.left()
            self.bars.update(self.grid, advance=1, left=time_left(left))

    def on_studyfinished(self, end: StudyFinished) -> None:
        """Remove the grid's bar."""
        if self.grid is not None:
            self.bars.remove_task(self.grid)
            self.grid = None

    def on_stoprequested(self, request: StopRequested) -> None:
        """Make the thread that draws the bars show the progress of the stop."""
        self.bars.stopping = True

    def _run(self, run_id: str) -> RunBar:
        return self.runs.setdefault(run_id, RunBar(Pace(self.clock)))

    def _label(self, run_id: str, label: str) -> None:
        """Show the run's own bar after one of its phases."""
        bar = self._run(run_id).bar
        if bar is None:
            self._show(run_id, label)
        else:
            self.bars.update(bar, description=label)

    def _show(self, run_id: str, text: str) -> None:
        """Start a new bar in place of the old one."""
        self._remove(run_id)
        self._run(run_id).bar = self.bars.add_task(text, total=None)

    def _remove(self, run_id: str) -> None:
        run = self._run(run_id)
        if run.bar is not None:
            self.bars.remove_task(run.bar)
            run.bar = None
