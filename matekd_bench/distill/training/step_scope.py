"""The position in a run that keys the seeds of dropout."""

from __future__ import annotations

from matekd_bench.methods.views import Batch
from matekd_bench.seeds import seed_of


class StepScope:
    """The current position in a run: seed, task and the batch that is being trained, if any."""

    def __init__(self, seed: int, task: str) -> None:
        self._key = (seed, task)
        self.batch: Batch | None = None

    def dropout(self, owner: str, number: int) -> int:
        """Return the dropout seed of a forward pass of the model or module `owner` at this position.

        Passes with the same `number` at the same position get the same masks.
        """
        batch = self.batch
        if batch is None:
            return seed_of(*self._key, "dropout", owner, "outside", number)
        return seed_of(*self._key, "dropout", owner, batch.phase, batch.update, batch.offset, number)
