"""The events of a study as plain data, and the sink that receives them.

Whoever watches a study is a sink: the terminal, plugins and trackers, the process that started this one. All receive
the same objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One run of the grid: a student to be trained by one method on one task with one seed.

    `method` is the variant, e.g. "eda[alpha=0.2]", and `name` the same without what the preset set, as tables name it.
    `updates` are the planned student updates, None
    if the budget counts something else. `done` is True for a run with a record. `seconds` estimates a run to do,
    without its teacher and generator; None: unknown.
    """

    run_id: str
    method: str
    task: str
    seed: int
    name: str = ""
    updates: int | None = None
    done: bool = False
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened in a study; `run_id` is the run that it is about, "" for the study itself."""

    run_id: str = ""


@dataclass(frozen=True, kw_only=True)
class StudyStarted(Event):
    """The start of a study, after all checks and just before training.

    `runs` is the whole grid in its order. `reference` is the variant that others are compared with, None for none.
    `results` is the results folder. `seconds` estimates everything that is left, `teachers` the fine-tuning of each
    teacher that is left, by task, and `generators` the warm-up of each generator that is left, by the tasks whose texts
    it reads, such as "cola,sst2"; None and nothing if unknown.
    """

    results: Path
    preset: str
    methods: tuple[str, ...]
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    reference: str | None = None
    runs: tuple[PlannedRun, ...] = ()
    seconds: float | None = None
    teachers: Mapping[str, float] = field(default_factory=dict)
    generators: Mapping[str, float] = field(default_factory=dict)

    @property
    def todo(self) -> tuple[PlannedRun, ...]:
        """The runs without a record."""
        return tuple(run for run in self.runs if not run.done)


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """The start of a run, or its resumption after an interruption: number `position` (from 1) of `total`.

    `method` is the variant and `name` the same without what the preset set; "" if that is the variant too. `trial` is
    e.g. "trial 2 of 8" for a tuning trial, "" for a run of the study.
    """

    method: str
    task: str
    seed: int
    position: int = 1
    total: int = 1
    trial: str = ""
    name: str = ""

    @property
    def label(self) -> str:
        """A short name for screens: method, task, and seed or trial."""
        return f"{self.name or self.method} on {self.task}, {self.trial or f'seed {self.seed}'}"


@dataclass(frozen=True, kw_only=True)
class Progress(Event):
    """How much of a limit is done; comes many times a second.

    `limit` is the run's budget in its unit. If `preparing`, it counts the last "stage" instead, such as the updates of
    a teacher's fine-tuning. `seconds_left` is an estimate for the run, None after its first update and for a
    preparation. `auxiliary_done` of `auxiliary_limit` updates of the method's own module precede the student's next
    update; 0 of 0 for a method that has none.
    """

    done: int
    limit: int
    loss: float | None = None
    seconds_left: float | None = None
    preparing: bool = False
    auxiliary_done: int = 0
    auxiliary_limit: int = 0


@dataclass(frozen=True, kw_only=True)
class Prepared(Event):
    """The end of a preparation that the runs of a task share; its events had the `run_id` of one of these runs."""


@dataclass(frozen=True, kw_only=True)
class Evaluated(Event):
    """Evaluation number `number` (from 1) of `total` on dev, after `spent` of the budget's `limit`.

    `score` is the task's score as a fraction. `loss` is the training loss of the last update.
    """

    number: int
    total: int
    score: float
    spent: int = 0
    limit: int = 0
    loss: float | None = None


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """The end of a run: "ok", "collapsed", "diverged" or "failed", and the score at the end of the budget.

    `score` is None for a failed run. `record` is the run's record as JSON data (docs/results.md), empty if it could
    not be read back.
    """

    status: str
    score: float | None
    seconds: float
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StudyFinished(Event):
    """The end of a study: "done", or "stopped" by the user or an error, with the number of runs by outcome.

    `skipped` runs had a record already, or got one from another process. `left` runs were not started, because an
    earlier one failed. `rows` are those of the study's leaderboard, with the keys of the JSON export (docs/columns.md);
    they are made for plugins that receive this event, and empty if the study was stopped.
    """

    status: Literal["done", "stopped"]
    trained: int = 0
    skipped: int = 0
    failed: int = 0
    left: int = 0
    rows: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class StopRequested(Event):
    """A signal came that lets the runs under way save themselves; a second one stops at once.

    It is emitted by the signal's handler, where printing is not safe: a sink only notes it, or writes to a file
    descriptor.
    """


@dataclass(frozen=True, kw_only=True)
class Message(Event):
    """A line of text for the user.

    A "stage" names a step that may take a while; `Progress` follows if it is `counted`. A "note" is worth knowing, a
    "warning" tells of a likely problem. A "detail" helps to find an error, such as the traceback of a failed run.
    """

    kind: Literal["stage", "note", "warning", "detail"]
    text: str
    counted: bool = False


EVENTS: Mapping[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        *(StudyStarted, RunStarted, Progress, Evaluated, RunFinished, StudyFinished),
        *(Prepared, StopRequested, Message),
    )
}


class Sink:
    """A receiver of events, which may print, send or ignore each of them; this one ignores all."""

    def emit(self, event: Event) -> None:
        """Receive one event."""


JsonEvent: TypeAlias = dict[str, Any]


def as_json(event: Event) -> JsonEvent:
    """Return an event as JSON data, for :func:`from_json`; not one of the study itself, which stays in its process."""
    return {"event": type(event).__name__, **asdict(event)}


def from_json(values: JsonEvent) -> Event:
    """Return the event that :func:`as_json` turned into `values`."""
    fields = dict(values)
    return EVENTS[fields.pop("event")](**fields)
