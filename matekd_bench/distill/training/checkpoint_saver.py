"""Saves checkpoints of a training at intervals of time, and writes them in a thread while training continues."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from threading import Thread
from typing import Any, Self

from torch import nn

from matekd_bench.distill.training.ddp import ALONE, Ranks
from matekd_bench.distill.training.resume import PausedError, checkpoint_files
from matekd_bench.files.durable import CheckpointFolder

# Seconds between two checkpoints, so that a kill loses less than a minute. Their timing changes no result.
SAVE_SECONDS = 50.0


class CheckpointSaver:
    """The checkpoints of one training: saved every :data:`SAVE_SECONDS`, and when `stopping()` returns True.

    Without a `folder` nothing is saved. If several `ranks` train together, all save and stop at the same update, and
    the leader writes. `name` names the training in messages; None for a run. As a context it ends only once the last
    checkpoint is on disk.
    """

    def __init__(
        self,
        folder: CheckpointFolder | None,
        stopping: Callable[[], bool],
        ranks: Ranks = ALONE,
        name: str | None = None,
    ) -> None:
        self._folder, self._stopping, self._ranks, self._name = folder, stopping, ranks, name
        self._last_saved = time.perf_counter()
        self._writing: tuple[Thread, list[Callable[[], None]]] | None = None

    def after_update(
        self, update: int, modules: Sequence[nn.Module], state: Callable[[], Mapping[str, Any]]
    ) -> None:
        """Save the modules' weights and `state()` if a checkpoint is due.

        `state` is called in every process, since it may gather from all of them. Raises PausedError, after saving, if
        the training has to stop.
        """
        stop = self._stopping()
        if self._writing is not None and not self._writing[0].is_alive():
            self.finish()
        if not self._ranks.any(stop or time.perf_counter() - self._last_saved >= SAVE_SECONDS):
            return
        saved = state()
        if self._ranks.leads and self._folder is not None:
            self._write(self._folder, update, checkpoint_files(modules, saved))
        self._last_saved = time.perf_counter()
        if self._ranks.any(stop):
            self.finish()
            raise PausedError(update, self._name, self._folder.problem if self._folder is not None else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.finish()

    def finish(self) -> None:
        """Wait until the last checkpoint is on disk, and report it; without one under way it does nothing."""
        if self._writing is None:
            return
        thread, outcome = self._writing
        self._writing = None
        thread.join()
        for report in outcome:
            report()

    def _write(self, folder: CheckpointFolder, update: int, files: Mapping[str, bytes]) -> None:
        """Start writing a checkpoint, after the previous one is complete."""
        self.finish()
        outcome: list[Callable[[], None]] = []  # reported on the training's own thread
        thread = Thread(target=lambda: outcome.append(folder.write(update, files)), daemon=True)
        thread.start()
        self._writing = (thread, outcome)
