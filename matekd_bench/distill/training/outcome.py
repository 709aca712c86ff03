"""What a run reports while it lasts and what is left of it: its evaluations, its history, its cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn

from matekd_bench.distill.cost import Meter
from matekd_bench.distill.training.loss_history import Entry
from matekd_bench.distill.training.trainer import Spent
from matekd_bench.tasks.metrics import SplitScore


@dataclass(frozen=True)
class Evaluation:
    """One evaluation on the dev splits. `logits` holds [n, C] float32 for each split by name."""

    number: int
    update: int
    logits: dict[str, Tensor]
    splits: dict[str, SplitScore]
    score: float
    train_loss: float | None


@dataclass
class Outcome:
    """What a run produced and what it cost.

    `resumed` counts how often it went on from a checkpoint; `micro_batch` is set where memory was too small for the
    rows per pass that the study asks for. `student` is the network as it is at the end.
    """

    status: Literal["ok", "collapsed", "diverged"] = "ok"
    reason: str | None = None
    evaluations: list[Evaluation] = field(default_factory=list)
    history: list[Entry] = field(default_factory=list)
    diagnostics: dict[str, float] = field(default_factory=dict)
    spent: Spent = field(default_factory=Spent)
    spent_budget: int = 0
    meter: Meter = field(default_factory=Meter)
    train_seconds: float = 0.0
    eval_seconds: float = 0.0
    peak_memory: int | None = None
    student_sha256: str = ""
    student_parameters: int = 0
    perturber_parameters: int = 0
    perturber_trainable: int = 0
    resumed: int = 0
    micro_batch: int | None = None
    student: nn.Module | None = None


@dataclass(frozen=True)
class RunCallbacks:
    """Where a run reports: `progress(done, limit, loss, seconds_left)`, `evaluated(number, of, score)`, `note(text)`.

    `stopping()` is asked after every update: whether the run should save itself and stop.
    """

    progress: Callable[[int, int, float | None, float | None], None]
    evaluated: Callable[[int, int, float], None]
    note: Callable[[str], None] = lambda text: None
    stopping: Callable[[], bool] = lambda: False
