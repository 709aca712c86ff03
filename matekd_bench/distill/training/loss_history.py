"""Training losses on their way into a run's history: means over windows and since the last look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Entry = dict[str, float | int]


class LossHistory:
    """Training losses, averaged over a window for the history and since the last look for the curve."""

    def __init__(self, width: int, history: list[Entry]) -> None:
        self._width = width
        self._history = history
        self._losses: list[float] = []
        self._since_look: list[float] = []

    def add(self, update: int, loss: float) -> None:
        """Takes in one update's loss."""
        self._losses.append(loss)
        self._since_look.append(loss)
        if len(self._losses) >= self._width:
            self.flush(update)

    def flush(self, update: int) -> None:
        """Writes the mean of the window down."""
        if self._losses:
            mean = sum(self._losses) / len(self._losses)
            if math.isfinite(mean):
                self._history.append({"update": update, "loss": mean})
            self._losses.clear()

    def mean_since_look(self) -> float | None:
        """The mean loss since the last look."""
        mean = sum(self._since_look) / len(self._since_look) if self._since_look else math.nan
        self._since_look.clear()
        return mean if math.isfinite(mean) else None

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` takes: the history and the losses that are not in it yet."""
        return {"history": self._history, "losses": self._losses, "since_look": self._since_look}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on where another window was."""
        self._history[:] = state["history"]
        self._losses[:] = state["losses"]
        self._since_look[:] = state["since_look"]
