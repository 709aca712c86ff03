"""How many runs share a device at a time: the first of its kind alone, measured, the others where memory allows."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

MARGIN = 1.2  # for what an allocator wastes, and batches longer than those seen
CONTEXT = 2**30  # bytes that a process takes on a GPU before its first tensor


@dataclass(frozen=True)
class DeviceSlot:
    """A device for runs: its name, what a worker finds in its environment there, and its bytes (None: no bound)."""

    name: str
    environment: dict[str, str] = field(default_factory=dict, hash=False)
    memory: int | None = None


class SlotPacking:
    """Says where a run may begin, at most `jobs` at a time over all places.

    Runs of one kind are taken to need the same memory. A kind that has not been measured gets a place to itself.
    """

    def __init__(self, places: Sequence[DeviceSlot], jobs: int) -> None:
        self._jobs = jobs
        self._running: dict[DeviceSlot, list[Hashable]] = {place: [] for place in places}
        self._peaks: dict[Hashable, int] = {}

    def room(self, kind: Hashable) -> DeviceSlot | None:
        """The emptiest place where a run of this kind may begin now, None where it has to wait."""
        if sum(map(len, self._running.values())) >= self._jobs:
            return None
        for place in sorted(self._running, key=lambda place: len(self._running[place])):
            if self._fits(place, kind):
                return place
        return None

    def _fits(self, place: DeviceSlot, kind: Hashable) -> bool:
        there = self._running[place]
        if place.memory is None or not there:
            return True
        if any(one not in self._peaks for one in (kind, *there)):
            return False
        return sum(self._needs(one) for one in (kind, *there)) <= place.memory

    def _needs(self, kind: Hashable) -> float:
        return MARGIN * self._peaks[kind] + CONTEXT

    def begin(self, place: DeviceSlot, kind: Hashable) -> None:
        """A run of this kind begins."""
        self._running[place].append(kind)

    def end(self, place: DeviceSlot, kind: Hashable) -> None:
        """A run of this kind is over."""
        self._running[place].remove(kind)

    def measured(self, kind: Hashable, peak: int) -> None:
        """A run of this kind has taken so many bytes."""
        self._peaks[kind] = max(peak, self._peaks.get(kind, 0))
