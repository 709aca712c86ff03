"""The training of teachers and generators before the runs: resumable like a run, but saved every few minutes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, TypeAlias

from matekd_bench.distill.artifacts.generator_warm_up import GeneratorWarmUp
from matekd_bench.distill.models.networks import weights_digest
from matekd_bench.distill.training.ddp import ALONE, Ranks
from matekd_bench.distill.training.resume import (
    PausedError,
    newest_checkpoint,
    software_versions,
    write_checkpoint,
)
from matekd_bench.distill.training.session import TrainingSession
from matekd_bench.events import Message, Progress, Sink
from matekd_bench.files.durable import CheckpointFolder

SAVE_SECONDS = 300.0  # between two checkpoints; the time of saving changes no result
Trainable: TypeAlias = TrainingSession | GeneratorWarmUp


class Preparation:
    """The training of a teacher or generator, which goes to the cache afterwards.

    A checkpoint is saved every :data:`SAVE_SECONDS`, and when `stopping()` returns True. `name` names the preparation
    in the messages. If several `ranks` train together, the leader saves the checkpoints, and all resume from the same
    one.
    """

    def __init__(
        self,
        name: str,
        checkpoints: CheckpointFolder | None = None,
        *,
        sink: Sink = Sink(),
        stopping: Callable[[], bool] = lambda: False,
        ranks: Ranks = ALONE,
    ) -> None:
        self._name, self._checkpoints = name, checkpoints
        self._sink, self._stopping, self._ranks = sink, stopping, ranks
        self._started = self._last_saved = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds of training, summed over interruptions; what was lost after the last checkpoint does not count."""
        return time.perf_counter() - self._started

    def train(self, session: Trainable) -> None:
        """Train to the limit, from the newest checkpoint if there is one.

        Checkpoints of other software versions or initial weights are skipped. Raises PausedError, after saving, if the
        training has to stop.
        """
        origin = {**software_versions(), "start": weights_digest(session.modules[0])}
        checkpoint = newest_checkpoint(self._checkpoints, origin, self._tell, self._ranks.announce)
        if checkpoint is not None:
            folder, state = checkpoint
            session.load_state_dict(state, folder)
            self._started -= state["seconds"]
        with closing(session.losses()) as losses:
            for loss in losses:
                self._sink.emit(Progress(done=session.spent, limit=session.limit, loss=loss))
                if session.spent < session.limit:  # after the last update what is prepared goes to the cache
                    self._save_if_due(session, origin)

    def _tell(self, text: str) -> None:
        self._sink.emit(Message(kind="stage", text=f"{self._name}: {text}"))

    def _save_if_due(self, session: Trainable, origin: Mapping[str, Any]) -> None:
        """Save a checkpoint if one is due; all processes save and stop at the same update, whichever asks first."""
        stop = self._stopping()
        if not self._ranks.any(stop or time.perf_counter() - self._last_saved >= SAVE_SECONDS):
            return
        # In every process, not only in the leader: state_dict() gathers from all of them.
        state = {**session.state_dict(), "origin": origin, "update": session.updates, "seconds": self.seconds}
        if self._ranks.leads and self._checkpoints is not None:
            self._checkpoints.save(
                session.updates, lambda folder: write_checkpoint(folder, session.modules, state)
            )
        self._last_saved = time.perf_counter()
        if self._ranks.any(stop):
            problem = self._checkpoints.problem if self._checkpoints is not None else None
            raise PausedError(session.updates, self._name, problem)
