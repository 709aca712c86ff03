"""The result of a run: evaluations, history of losses and cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, SupportsFloat

from torch import Tensor, nn

from matekd_bench.distill.flops import Meter
from matekd_bench.distill.training.trainer import Spent
from matekd_bench.tasks.metrics import SplitScore

Entry = dict[str, float | int]


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


class LossHistory:
    """The training losses of a run, averaged over windows and between evaluations.

    The means of the windows are appended to `history`.
    """

    def __init__(self, history: list[Entry]) -> None:
        self._history = history
        self._losses: list[SupportsFloat] = []
        self._since_evaluation: list[SupportsFloat] = []

    def add(self, loss: SupportsFloat) -> None:
        """Add the loss of one update; it is read when a mean is needed."""
        self._losses.append(loss)
        self._since_evaluation.append(loss)

    def flush(self, update: int) -> None:
        """End a window after `update`: append its mean to the history, unless it is empty or not finite."""
        if self._losses:
            mean = sum(map(float, self._losses)) / len(self._losses)
            if math.isfinite(mean):
                self._history.append({"update": update, "loss": mean})
            self._losses.clear()

    def mean_since_evaluation(self) -> float | None:
        """Return the mean loss since the last call; None if there is none or it is not finite."""
        losses = self._since_evaluation
        mean = sum(map(float, losses)) / len(losses) if losses else math.nan
        losses.clear()
        return mean if math.isfinite(mean) else None

    def state_dict(self) -> dict[str, Any]:
        """Return the history and the losses that are not in it yet, for :meth:`load_state_dict`."""
        return {
            "history": self._history,
            "losses": list(map(float, self._losses)),
            "since_evaluation": list(map(float, self._since_evaluation)),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Replace history and losses with those of a :meth:`state_dict`, in place."""
        self._history[:] = state["history"]
        self._losses[:] = state["losses"]
        self._since_evaluation[:] = state["since_evaluation"]


class NewestLoss:
    """The newest loss of a run; `known` is the newest that needs no waiting: on a GPU, that of the update before."""

    def __init__(self) -> None:
        self.known: float | None = None
        self._newest: SupportsFloat | None = None

    def add(self, loss: SupportsFloat) -> None:
        """Add the loss of one update."""
        if self._newest is not None:
            self.known = float(self._newest)
        self._newest = loss
        if isinstance(loss, float):
            self.read()

    def read(self) -> float | None:
        """Return the newest loss, once it is computed; None before the first."""
        if self._newest is not None:
            self.known, self._newest = float(self._newest), None
        return self.known
