"""Training losses on their way into a run's history: means over windows and since the last evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Entry = dict[str, float | int]


class LossHistory:
    """Training losses, averaged over a window for the history and since the last evaluation for the curve."""

    def __init__(self, width: int, history: list[Entry]) -> None:
        self._width = width
        self._history = history
        self._losses: list[float] = []
        self._since_evaluation: list[float] = []

    def add(self, update: int, loss: float) -> None:
        """Takes in one update's loss."""
        self._losses.append(loss)
        self._since_evaluation.append(loss)
        if len(self._losses) >= self._width:
            self.flush(update)

    def flush(self, update: int) -> None:
        """Writes the mean of the window down."""
        if self._losses:
            mean = sum(self._losses) / len(self._losses)
            if math.isfinite(mean):
                self._history.append({"update": update, "loss": mean})
            self._losses.clear()

    def mean_since_evaluation(self) -> float | None:
        """The mean loss since the last evaluation."""
        mean = (
            sum(self._since_evaluation) / len(self._since_evaluation) if self._since_evaluation else math.nan
        )
        self._since_evaluation.clear()
        return mean if math.isfinite(mean) else None

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` takes: the history and the losses that are not in it yet."""
        return {"history": self._history, "losses": self._losses, "since_evaluation": self._since_evaluation}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where another window was."""
        self._history[:] = state["history"]
        self._losses[:] = state["losses"]
        self._since_evaluation[:] = state["since_evaluation"]
