"""The training of teachers and generators before the runs, resumable like a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from typing import Any, TypeAlias

from matekd_bench.distill.artifacts.generator_warm_up import GeneratorWarmUp
from matekd_bench.distill.models.networks import weights_digest
from matekd_bench.distill.training.checkpoint_saver import CheckpointSaver
from matekd_bench.distill.training.ddp import ALONE, Ranks
from matekd_bench.distill.training.outcome import NewestLoss
from matekd_bench.distill.training.resume import newest_checkpoint, software_versions
from matekd_bench.distill.training.session import TrainingSession
from matekd_bench.events import Message, Progress, Sink
from matekd_bench.files.durable import CheckpointFolder

Trainable: TypeAlias = TrainingSession | GeneratorWarmUp


class Preparation:
    """The training of a teacher or generator, which goes to the cache afterwards.

    Checkpoints are saved as :class:`CheckpointSaver` does it. `name` names the preparation in the messages.
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
        self._sink, self._ranks = sink, ranks
        self._saver = CheckpointSaver(checkpoints, stopping, ranks, name)
        self._started: float  # set when training starts

    @property
    def seconds(self) -> float:
        """Seconds of training, summed over interruptions; time lost after the last checkpoint does not count."""
        return time.perf_counter() - self._started

    def train(self, session: Trainable) -> None:
        """Train to the limit, from the newest checkpoint if there is one.

        Checkpoints of other software versions or initial weights are skipped. Raises PausedError, after saving, if the
        training has to stop.
        """
        self._started = time.perf_counter()
        origin = {**software_versions(), "start": weights_digest(session.modules[0])}
        checkpoint = newest_checkpoint(self._checkpoints, origin, self._tell, self._ranks.announce)
        if checkpoint is not None:
            folder, state = checkpoint
            session.load_state_dict(state, folder)
            self._started -= state["seconds"]
        with closing(session.losses()) as losses, self._saver:
            newest = NewestLoss()
            for loss in losses:
                newest.add(loss)
                self._sink.emit(
                    Progress(done=session.spent, limit=session.limit, loss=newest.known, preparing=True)
                )
                if session.spent < session.limit:  # after the last update what is prepared goes to the cache
                    self._saver.after_update(
                        session.updates, session.modules, partial(self._state, session, origin)
                    )
        session.checks.read()

    def _state(self, session: Trainable, origin: Mapping[str, Any]) -> dict[str, Any]:
        session.checks.read()
        return {
            **session.state_dict(), "origin": origin, "update": session.updates, "seconds": self.seconds,
        }  # fmt: skip

    def _tell(self, text: str) -> None:
        self._sink.emit(Message(kind="stage", text=f"{self._name}: {text}", counted=True))
