"""Checkpoints of what is trained before a run, teachers and generators: as a run's, but now and then by the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from matekd_bench.distill.models.networks import weights_digest
from matekd_bench.distill.training.ddp import ALONE, Ranks
from matekd_bench.distill.training.resume import (
    Checkpoints,
    NoCheckpoints,
    PausedError,
    newest,
    read_weights,
    software,
    write,
)

SAVE_SECONDS = 300.0  # between two checkpoints: when they are made changes no number


class PreparationCheckpoints:
    """Saves a preparation now and then, and where `stopping()` says so, and gives the newest checkpoint back.

    `what` names it in the lines that `say` is told. Where several `ranks` train it, the leader keeps the checkpoints,
    and all go on from the same one.
    """

    def __init__(
        self,
        what: str,
        checkpoints: Checkpoints | None = None,
        stopping: Callable[[], bool] = lambda: False,
        say: Callable[[str], None] = lambda text: None,
        ranks: Ranks = ALONE,
    ) -> None:
        self._what = what
        self._checkpoints = checkpoints or NoCheckpoints()
        self._stopping = stopping
        self._say = say
        self._ranks = ranks
        self._clock = self._saved = time.perf_counter()
        self._origin: dict[str, Any] = {}

    @property
    def seconds(self) -> float:
        """Seconds spent in all parts, those after the last checkpoint of an earlier part not counted."""
        return time.perf_counter() - self._clock

    def begin(self, module: nn.Module) -> dict[str, Any] | None:
        """The state to go on from, the module's weights put back; None where it starts from the beginning."""
        self._origin = {**software(), "start": weights_digest(module)}
        found = newest(
            self._checkpoints,
            self._origin,
            lambda text: self._say(f"{self._what}: {text}"),
            self._ranks.announce,
        )
        if found is None:
            return None
        folder, state = found
        read_weights(folder, [module])
        self._clock -= state["seconds"]
        self._say(f"{self._what}: resuming after update {state['update']}")
        return state

    def after(self, update: int, module: nn.Module, state: Callable[[], Mapping[str, Any]]) -> None:
        """Called after every update but the last. Raises PausedError, once all is saved, where it has to stop.

        All processes save and stop at the same update, whichever of them is the first to want it.
        """
        asked = self._stopping()
        if not self._ranks.any(asked or time.perf_counter() - self._saved >= SAVE_SECONDS):
            return
        kept = {**state(), "origin": self._origin, "update": update, "seconds": self.seconds}
        if self._ranks.leads:
            self._checkpoints.save(update, lambda folder: write(folder, [module], kept))
        self._saved = time.perf_counter()
        if self._ranks.any(asked):
            raise PausedError(update, self._what, getattr(self._checkpoints, "problem", None))
