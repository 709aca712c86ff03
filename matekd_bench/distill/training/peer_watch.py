"""Watches the processes that train a run together, so that all of them end soon after one has died."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

BEAT_SECONDS = 0.5  # between two heartbeats, and between two checks of the others' heartbeats
LOST_SECONDS = 30.0  # without a heartbeat: a machine under load may delay a thread for seconds
SUSPECT_SECONDS = 5.0  # without one, once an operation of the group has failed
LOST = "lost"  # the key of the reason for which the group ends


class PeerWatch:
    """A thread that sends heartbeats to the other processes, and notices when one of them sends none.

    `store` is the group's key-value store. `died` returns how a process that this one started has died, or None.
    The first process that knows of a death tells the others the reason. `on_lost` is called once with the reason, in
    the thread.
    """

    def __init__(
        self, store: Any, rank: int, size: int, *, died: Callable[[], str | None],
        on_lost: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.reason: str | None = None
        self._store = store.clone()  # a connection of its own: a call that waits would hold up the thread
        self._rank, self._size, self._died, self._on_lost = rank, size, died, on_lost
        self._beats, self._patience = 0, LOST_SECONDS
        self._seen = {other: (b"", time.monotonic()) for other in range(size) if other != rank}
        self._closed, self._lost = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="matekd-bench-peers")
        self._thread.start()

    def suspect(self) -> None:
        """Wait no longer than SUSPECT_SECONDS for a heartbeat: an operation of the group has failed."""
        self._patience = min(self._patience, SUSPECT_SECONDS)

    def wait(self, seconds: float) -> str | None:
        """Wait at most so many seconds until a process is lost, and return the reason; None if none is."""
        self._lost.wait(seconds)
        return self.reason

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _watch(self) -> None:
        while self.reason is None and not self._closed.wait(BEAT_SECONDS):
            try:
                self.reason = self._look()
            except RuntimeError:  # the store is in the process that leads, or in its launcher
                self.reason = f"process 1 of {self._size}, the leader, is gone"
        if self.reason is not None and not self._closed.is_set():
            self._lost.set()
            self._on_lost(self.reason)

    def _look(self) -> str | None:
        """Send a heartbeat; return the reason for which the group has to end, or None."""
        self._beats += 1
        self._store.set(_beat_key(self._rank), str(self._beats))
        if self._store.check([LOST]):
            return str(self._store.get(LOST).decode())
        reason = self._died() or self._silent()
        if reason is not None:
            self._store.set(LOST, reason)
        return reason

    def _silent(self) -> str | None:
        """Name a process that has sent no heartbeat for too long; None if there is none."""
        now = time.monotonic()
        for rank, (last, since) in self._seen.items():
            key = _beat_key(rank)
            beat = self._store.get(key) if self._store.check([key]) else b""
            if beat != last:
                self._seen[rank] = beat, now
            elif now - since > self._patience:
                return f"process {rank + 1} of {self._size} has sent no heartbeat for {self._patience:.0f} s"
        return None


def _beat_key(rank: int) -> str:
    return f"beat-{rank}"
