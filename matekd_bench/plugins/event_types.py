"""What event hooks are told: plain frozen records, so that a tracker needs nothing else of the suite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class StudyInfo:
    """One command's grid of methods, tasks and seeds.

    `methods` are variants as tables name them, e.g. "eda[alpha=0.2]"; `runs` counts the whole grid, `todo` what has
    no record yet. `results` is the results folder.
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
    """One student to be trained: by which variant, on which task, with which seed; the `position`-th of `total`."""

    run_id: str
    method: str
    task: str
    seed: int
    position: int = 1
    total: int = 1


@dataclass(frozen=True, kw_only=True)
class EvaluationInfo:
    """One evaluation on dev: the `number`-th of `total`, after `spent` of the budget's `limit`.

    `score` is the task's score, a fraction; `loss` the last update's training loss.
    """

    number: int
    total: int
    score: float
    spent: int = 0
    limit: int = 0
    loss: float | None = None


@dataclass(frozen=True, kw_only=True)
class RunEnd:
    """How a run ended: "ok", "collapsed", "diverged" or "failed", with the score at the end of the budget.

    `record` is the run's record as JSON has it (docs/results.md); empty where it could not be read back.
    """

    status: str
    score: float | None
    seconds: float
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StudyEnd:
    """How a study ended: "done", or "stopped" by the user or an error, and how many runs came to what."""

    status: Literal["done", "stopped"]
    trained: int = 0
    skipped: int = 0
    failed: int = 0
