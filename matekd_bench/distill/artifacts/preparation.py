"""Checkpoints of teachers and generators while they are trained: like those of a run, but saved every few minutes."""

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
    newest_checkpoint,
    read_weights,
    software_versions,
    write_checkpoint,
)

SAVE_SECONDS = 300.0  # between two checkpoints; the time of saving changes no result


class PreparationCheckpoints:
    """The checkpoints of one preparation, the training of a teacher or generator.

    A checkpoint is saved every :data:`SAVE_SECONDS`, and when `stopping()` returns True. `name` names the preparation
    in the messages passed to `notify`. If several `ranks` train together, the leader saves the checkpoints, and all
    resume from the same one.
    """

    def __init__(
        self,
        name: str,
        checkpoints: Checkpoints | None = None,
        stopping: Callable[[], bool] = lambda: False,
        notify: Callable[[str], None] = lambda text: None,
        ranks: Ranks = ALONE,
    ) -> None:
        self._name = name
        self._checkpoints = checkpoints or NoCheckpoints()
        self._stopping = stopping
        self._notify = notify
        self._ranks = ranks
        self._started = self._last_saved = time.perf_counter()
        self._origin: dict[str, Any] = {}

    @property
    def seconds(self) -> float:
        """Seconds of training, summed over interruptions; what was lost after the last checkpoint does not count."""
        return time.perf_counter() - self._started

    def begin(self, module: nn.Module) -> dict[str, Any] | None:
        """Load the newest checkpoint into `module` and return the rest of its state; None if there is none.

        Call it before the first update. Checkpoints of other software versions or initial weights are skipped.
        """
        self._origin = {**software_versions(), "start": weights_digest(module)}
        checkpoint = newest_checkpoint(
            self._checkpoints,
            self._origin,
            lambda text: self._notify(f"{self._name}: {text}"),
            self._ranks.announce,
        )
        if checkpoint is None:
            return None
        folder, state = checkpoint
        read_weights(folder, [module])
        self._started -= state["seconds"]
        self._notify(f"{self._name}: resuming after update {state['update']}")
        return state

    def after_update(self, update: int, module: nn.Module, state: Callable[[], Mapping[str, Any]]) -> None:
        """Save a checkpoint if one is due; call it after every update but the last.

        Raises PausedError, after saving, if the training has to stop. All processes save and stop at the same update,
        whichever of them asks first.
        """
        stop = self._stopping()
        if not self._ranks.any(stop or time.perf_counter() - self._last_saved >= SAVE_SECONDS):
            return
        # In every process, not only in the leader: state() may gather from all of them.
        full_state = {**state(), "origin": self._origin, "update": update, "seconds": self.seconds}
        if self._ranks.leads:
            self._checkpoints.save(update, lambda folder: write_checkpoint(folder, [module], full_state))
        self._last_saved = time.perf_counter()
        if self._ranks.any(stop):
            raise PausedError(update, self._name, getattr(self._checkpoints, "problem", None))
