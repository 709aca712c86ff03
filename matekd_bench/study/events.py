"""What a study tells its watchers while it runs, and a watcher that says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Forecast:
    """What is expected of some devices.

    `end` and `device_seconds` are seconds; `bound` is the lower bound max(device_seconds / devices, longest run),
    which no order of the work can beat; `last` is what no order can end before, with the seconds it takes and those
    it waits for its teacher. `useful_devices` is where more devices would no longer help. `shares` are
    parts of `device_seconds`, by what takes them, largest first. `bases` counts the runs by what they were judged by.
    """

    devices: int
    device_seconds: float
    end: float
    bound: float
    longest_run_seconds: float
    last: str
    last_seconds: float
    waits_seconds: float
    useful_devices: int
    set_by_one: bool
    shares: Mapping[str, Mapping[str, float]]
    bases: Mapping[str, int] = field(default_factory=dict)
    start_seconds: float = 0.0  # of `end`: until processes have started


@dataclass(frozen=True)
class PlannedRun:
    """One cell of the grid: a student to be trained by one method on one task with one seed."""

    run_id: str
    method: str  # as shown in tables, e.g. "eda[alpha=0.2]"
    task: str
    seed: int
    updates: int | None  # planned student updates, None where the budget counts something else
    done: bool
    seconds: float | None = None  # estimated for what is to do, its teacher apart; None: unknown

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
    seconds: float | None = None  # estimated for what is left, teachers included; None: unknown
    teachers: Mapping[str, float] = field(default_factory=dict)  # to be fine-tuned, by task: seconds
    trials: int = 0  # of tuning, before the runs that are to do
    trials_todo: int = 0
    shard: str | None = None  # the part of the grid that these runs are, e.g. "2/8"
    forecast: Forecast | None = None  # what is left on several devices, where that was asked for

    @property
    def teachers_todo(self) -> int:
        """How many teachers are to be fine-tuned."""
        return len(self.teachers)

    @property
    def todo(self) -> tuple[PlannedRun, ...]:
        """The runs that have no record yet."""
        return tuple(run for run in self.runs if not run.done)


@dataclass(frozen=True)
class StudySummary:
    """How a study ended: the plan and the number of runs trained, found done, failed, and left after a failure."""

    plan: Plan
    trained: int
    skipped: int
    failed: int
    run_ids: tuple[str, ...]
    left: int = 0
    follows: bool = False  # of a process that only helps another one


class Events(Protocol):
    """Everything a study reports; a watcher prints it, logs it or ignores it.

    A `detail`, e.g. the traceback of what a method raised, is only for those who look for a fault.
    """

    def study_started(self, plan: Plan) -> None: ...
    def note(self, text: str) -> None: ...
    def detail(self, text: str) -> None: ...
    def warning(self, text: str) -> None: ...
    def stage(self, text: str) -> None: ...
    def run_started(self, label: str, position: int, total: int) -> None: ...
    def progress(self, done: int, limit: int, loss: float | None, seconds_left: float | None) -> None: ...
    def evaluated(self, evaluation: int, evaluations: int, score: float) -> None: ...
    def run_finished(self, label: str, status: str, score: float | None, seconds: float) -> None: ...
    def study_finished(self, summary: StudySummary) -> None: ...
    def run_view(self, number: int) -> Events:
        """A watcher for one of several runs at a time, which shows its run in the same view."""
        ...


class NoEvents:
    """A watcher that ignores everything."""

    def study_started(self, plan: Plan) -> None:
        """Ignored."""

    def note(self, text: str) -> None:
        """Ignored."""

    def detail(self, text: str) -> None:
        """Ignored."""

    def warning(self, text: str) -> None:
        """Ignored."""

    def stage(self, text: str) -> None:
        """Ignored."""

    def run_started(self, label: str, position: int, total: int) -> None:
        """Ignored."""

    def progress(self, done: int, limit: int, loss: float | None, seconds_left: float | None) -> None:
        """Ignored."""

    def evaluated(self, evaluation: int, evaluations: int, score: float) -> None:
        """Ignored."""

    def run_finished(self, label: str, status: str, score: float | None, seconds: float) -> None:
        """Ignored."""

    def study_finished(self, summary: StudySummary) -> None:
        """Ignored."""

    def run_view(self, number: int) -> Events:
        """The same watcher."""
        return self
