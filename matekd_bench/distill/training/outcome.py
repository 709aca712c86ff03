"""The result of a run: evaluations, history and cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn

from matekd_bench.distill.flops import Meter
from matekd_bench.distill.training.loss_history import Entry
from matekd_bench.distill.training.trainer import Spent
from matekd_bench.tasks.metrics import SplitScore


@dataclass(frozen=True)
class Evaluation:
    """One evaluation on the dev splits, numbered from 1, after `update` student updates.

    `logits` [n, C] in float32 and `splits` (scores) are by name of the split; `score` is the task's.
    `train_loss` is the mean training loss since the previous evaluation.
    """

    number: int
    update: int
    logits: dict[str, Tensor]
    splits: dict[str, SplitScore]
    score: float
    train_loss: float | None


@dataclass
class Outcome:
    """The results and the cost of a run.

    `resumed` counts how often the run continued from a checkpoint. `micro_batch` is set only if the run had to use
    fewer rows per pass than the study asks for, because memory was too small. `student` is the trained network.
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
