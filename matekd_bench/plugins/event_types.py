"""The records that event hooks receive: plain and frozen, so that a tracker needs nothing else of the suite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class StudyInfo:
    """The grid of methods, tasks and seeds of one command.

    `methods` are variants as tables name them, e.g. "eda[alpha=0.2]". `runs` is the number of runs in the grid and
    `todo` the number of those without a record. `results` is the results folder.
    """

    results: Path
    preset: str
    methods: tuple[str, ...]
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    reference: str | None = None
    runs: int = 0
    todo: int = 0


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """One run: the student that a variant trains on a task with a seed; number `position` of `total`."""

    run_id: str
    method: str
    task: str
    seed: int
    position: int = 1
    total: int = 1


@dataclass(frozen=True, kw_only=True)
class EvaluationInfo:
    """One evaluation on dev: number `number` of `total`, after `spent` of the budget's `limit`.

    `score` is the task's score as a fraction; `loss` is the training loss of the last update.
    """

    number: int
    total: int
    score: float
    spent: int = 0
    limit: int = 0
    loss: float | None = None


@dataclass(frozen=True, kw_only=True)
class RunEnd:
    """The end of a run: "ok", "collapsed", "diverged" or "failed", and the score at the end of the budget.

    `record` is the run's record as JSON data (docs/results.md); empty if it could not be read back.
    """

    status: str
    score: float | None
    seconds: float
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StudyEnd:
    """The end of a study: "done", or "stopped" by the user or an error, with the number of runs by outcome."""

    status: Literal["done", "stopped"]
    trained: int = 0
    skipped: int = 0
    failed: int = 0
