"""The events that a study reports while it runs, and the records that describe its plan and its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Forecast:
    """An estimate of how long a study takes on `devices` devices; all times are in seconds.

    No order of the work can end before `bound`, which is max(device_seconds / devices, longest_run_seconds).
    """

    devices: int
    device_seconds: float
    """Work of all runs and teachers together."""
    end: float
    """Time from the start to the last result."""
    bound: float
    longest_run_seconds: float
    last: str
    """The run with the longest path: its own time and the time for its teacher."""
    last_seconds: float
    """Time of the run `last` alone."""
    waits_seconds: float
    """Time that the run `last` waits for its teacher."""
    useful_devices: int
    """Total work divided by the longest path, rounded; more devices than this do not help."""
    set_by_one: bool
    """True if one long run, rather than the total work, sets the end."""
    shares: Mapping[str, Mapping[str, float]]
    """Shares of `device_seconds` by method and by task, the largest first."""
    bases: Mapping[str, int] = field(default_factory=dict)
    """Number of runs by the basis of their estimate."""
    start_seconds: float = 0.0
    """Part of `end` that passes until the processes have started."""


@dataclass(frozen=True)
class PlannedRun:
    """One cell of the grid: a student to be trained by one method on one task with one seed."""

    run_id: str
    method: str  # as shown in tables, e.g. "eda[alpha=0.2]"
    task: str
    seed: int
    updates: int | None  # planned student updates; None if the budget counts something else
    done: bool  # True if the run has a record
    seconds: float | None = None  # estimate for a run to do, without its teacher; None: unknown

    @property
    def label(self) -> str:
        """A short name for screens: method, task and seed."""
        return f"{self.method} on {self.task}, seed {self.seed}"


@dataclass(frozen=True)
class Plan:
    """The whole grid of a study, in the order in which it will be run."""

    runs: tuple[PlannedRun, ...]
    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    preset: str
    data_states: dict[str, str]
    results: str
    reference: str | None = None  # the variant that the others are compared with
    seconds: float | None = None  # estimate for all that is left, teachers included; None: unknown
    teachers: Mapping[str, float] = field(default_factory=dict)  # seconds to fine-tune each one left, by task
    trials: int = 0  # tuning trials of the runs to do
    trials_todo: int = 0  # tuning trials without a record
    shard: str | None = None  # the part of the grid that these runs are, e.g. "2/8"
    forecast: Forecast | None = None  # for several devices, if the request asks for it

    @property
    def teachers_todo(self) -> int:
        """Number of teachers to fine-tune."""
        return len(self.teachers)

    @property
    def todo(self) -> tuple[PlannedRun, ...]:
        """The runs that have no record yet."""
        return tuple(run for run in self.runs if not run.done)


@dataclass(frozen=True)
class StudySummary:
    """The end of a study: its plan and how many runs were trained, skipped and failed."""

    plan: Plan
    trained: int
    skipped: int  # runs that had a record already, or got one from another process
    failed: int
    run_ids: tuple[str, ...]
    left: int = 0  # runs not started because an earlier one failed
    follows: bool = False  # True in a process that only helps another one to train


class Events(Protocol):
    """Receiver of everything that a study reports; it may print, log or ignore each event."""

    def study_started(self, plan: Plan) -> None:
        """Receive the plan, before the first run starts."""

    def note(self, text: str) -> None:
        """Receive a line that is worth knowing."""

    def detail(self, text: str) -> None:
        """Receive text that helps to find an error, such as the traceback of a failed run."""

    def warning(self, text: str) -> None:
        """Receive a line about a likely problem."""

    def stage(self, text: str) -> None:
        """Receive the name of a step that may take a while."""

    def run_started(self, label: str, position: int, total: int) -> None:
        """Receive the start of run number `position` (from 1) of `total`."""

    def progress(self, done: int, limit: int, loss: float | None, seconds_left: float | None) -> None:
        """Receive how much of the current limit is done; this is called many times a second."""

    def evaluated(self, evaluation: int, evaluations: int, score: float) -> None:
        """Receive the dev score of evaluation number `evaluation` (from 1) of the current run."""

    def run_finished(self, label: str, status: str, score: float | None, seconds: float) -> None:
        """Receive the end of a run; `score` is None if it failed."""

    def study_finished(self, summary: StudySummary) -> None:
        """Receive the end of the study; it is not called if a signal or an error stops the study."""

    def run_view(self, number: int) -> Events:
        """Return a receiver for one of several runs trained at a time, shown in the same view."""
        ...


class NoEvents:
    """A receiver that ignores every event."""

    def study_started(self, plan: Plan) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def detail(self, text: str) -> None:
        """Do nothing."""

    def warning(self, text: str) -> None:
        """Do nothing."""

    def stage(self, text: str) -> None:
        """Do nothing."""

    def run_started(self, label: str, position: int, total: int) -> None:
        """Do nothing."""

    def progress(self, done: int, limit: int, loss: float | None, seconds_left: float | None) -> None:
        """Do nothing."""

    def evaluated(self, evaluation: int, evaluations: int, score: float) -> None:
        """Do nothing."""

    def run_finished(self, label: str, status: str, score: float | None, seconds: float) -> None:
        """Do nothing."""

    def study_finished(self, summary: StudySummary) -> None:
        """Do nothing."""

    def run_view(self, number: int) -> Events:
        """Return this receiver."""
        return self
