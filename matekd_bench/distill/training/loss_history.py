"""Mean training losses for the history of a run and for its evaluations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Entry = dict[str, float | int]


class LossHistory:
    """The training losses of a run, averaged over windows of `width` updates and between evaluations.

    The means of the windows are appended to `history`.
    """

    def __init__(self, width: int, history: list[Entry]) -> None:
        self._width = width
        self._history = history
        self._losses: list[float] = []
        self._since_evaluation: list[float] = []

    def add(self, update: int, loss: float) -> None:
        """Add the loss of one update."""
        self._losses.append(loss)
        self._since_evaluation.append(loss)
        if len(self._losses) >= self._width:
            self.flush(update)

    def flush(self, update: int) -> None:
        """Append the mean of the current window to the history, unless it is empty or not finite."""
        if self._losses:
            mean = sum(self._losses) / len(self._losses)
            if math.isfinite(mean):
                self._history.append({"update": update, "loss": mean})
            self._losses.clear()

    def mean_since_evaluation(self) -> float | None:
        """Return the mean loss since the last call; None if there is none or it is not finite."""
        losses = self._since_evaluation
        mean = sum(losses) / len(losses) if losses else math.nan
        losses.clear()
        return mean if math.isfinite(mean) else None

    def state_dict(self) -> dict[str, Any]:
        """Return the history and the losses that are not in it yet, for :meth:`load_state_dict`."""
        return {"history": self._history, "losses": self._losses, "since_evaluation": self._since_evaluation}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Replace history and losses with those of a :meth:`state_dict`, in place."""
        self._history[:] = state["history"]
        self._losses[:] = state["losses"]
        self._since_evaluation[:] = state["since_evaluation"]
