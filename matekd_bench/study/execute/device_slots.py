"""Decides how many runs share a device: an unmeasured kind of run gets it alone, others share if memory allows."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

MEMORY_MARGIN = 1.2  # factor for the allocator's waste and for batches longer than those measured
CONTEXT_BYTES = 2**30  # GPU memory that a process takes before its first tensor


@dataclass(frozen=True)
class DeviceSlot:
    """A device that runs can be placed on.

    `environment` holds the environment variables of a worker on it. `memory` is in bytes, None for no limit.
    """

    name: str
    environment: dict[str, str] = field(default_factory=dict, hash=False)
    memory: int | None = None


class SlotPacking:
    """The runs on each device, at most `jobs` in total.

    Runs of one kind are assumed to need the same memory. A kind that has not been measured gets a device to itself.
    """

    def __init__(self, slots: Sequence[DeviceSlot], jobs: int) -> None:
        self._jobs = jobs
        self._running: dict[DeviceSlot, list[Hashable]] = {slot: [] for slot in slots}
        self._peaks: dict[Hashable, int] = {}

    def slot_for(self, kind: Hashable) -> DeviceSlot | None:
        """Return the emptiest device where a run of this kind can start now, None if it has to wait."""
        if sum(map(len, self._running.values())) >= self._jobs:
            return None
        for slot in sorted(self._running, key=lambda slot: len(self._running[slot])):
            if self._fits(slot, kind):
                return slot
        return None

    def _fits(self, slot: DeviceSlot, kind: Hashable) -> bool:
        running = self._running[slot]
        if slot.memory is None or not running:
            return True
        if any(member not in self._peaks for member in (kind, *running)):
            return False
        return sum(self._needed_bytes(member) for member in (kind, *running)) <= slot.memory

    def _needed_bytes(self, kind: Hashable) -> float:
        return MEMORY_MARGIN * self._peaks[kind] + CONTEXT_BYTES

    def begin(self, slot: DeviceSlot, kind: Hashable) -> None:
        """Register a run of this kind that starts on the device."""
        self._running[slot].append(kind)

    def end(self, slot: DeviceSlot, kind: Hashable) -> None:
        """Remove a run of this kind that has ended on the device."""
        self._running[slot].remove(kind)

    def record_peak(self, kind: Hashable, peak: int) -> None:
        """Note the peak memory in bytes that a run of this kind has reached; the largest counts."""
        self._peaks[kind] = max(peak, self._peaks.get(kind, 0))
