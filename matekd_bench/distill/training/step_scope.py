"""Where in the run a pass takes place: what the seeds of dropout are keyed by."""

from __future__ import annotations

from matekd_bench.methods.views import Batch
from matekd_bench.seeds import seed_of


class StepScope:
    """Where in the run we are: what dropout masks and noise are keyed by, besides names."""

    def __init__(self, seed: int, task: str) -> None:
        self._key = (seed, task)
        self.batch: Batch | None = None

    def dropout(self, owner: str, number: int) -> int:
        """The dropout seed of a forward pass of `owner` at this update and piece."""
        batch = self.batch
        if batch is None:
            return seed_of(*self._key, "dropout", owner, "outside", number)
        return seed_of(*self._key, "dropout", owner, batch.phase, batch.update, batch.offset, number)
