"""Decides how many runs share a device, from the peak memory measured in earlier runs of the study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

MEMORY_MARGIN = 1.2  # factor for memory wasted by the allocator and for batches longer than those measured
# Factor from the largest measured peak to the peak of another kind, which may have longer texts or a generator.
UNMEASURED_MARGIN = 3.0
CONTEXT_BYTES = 2**30  # GPU memory that a process takes before its first tensor


class Kind(NamedTuple):
    """A group of runs assumed to need the same memory: a method on a task, or a preparation (method "") by its id."""

    method: str
    task: str

    @property
    def prepares(self) -> bool:
        """True for a preparation."""
        return not self.method


@dataclass(frozen=True)
class DeviceSlot:
    """A device on which runs can be placed.

    `environment` holds the environment variables of its workers. `memory` is in bytes; None means no limit.
    """

    name: str
    environment: dict[str, str] = field(default_factory=dict, hash=False)
    memory: int | None = None


class SlotPacking:
    """The runs on each device, at most `jobs` in total.

    A kind that has not been measured is assumed to need UNMEASURED_MARGIN times the memory of similar kinds, and a
    device has at most one run of such a kind at a time. Before anything is measured, a run has its device to itself.
    """

    def __init__(self, slots: Sequence[DeviceSlot], jobs: int) -> None:
        self._jobs = jobs
        self._running: dict[DeviceSlot, list[Kind]] = {slot: [] for slot in slots}
        self._peaks: dict[Kind, int] = {}

    def slot_for(self, kind: Kind) -> DeviceSlot | None:
        """Return the emptiest device where a run of this kind can start now; None if it must wait."""
        if sum(map(len, self._running.values())) >= self._jobs:
            return None
        for slot in sorted(self._running, key=lambda slot: len(self._running[slot])):
            if self._fits(slot, kind):
                return slot
        return None

    def _fits(self, slot: DeviceSlot, kind: Kind) -> bool:
        running = self._running[slot]
        if slot.memory is None or not running:
            return True
        together = (kind, *running)
        if not self._peaks or sum(member not in self._peaks for member in together) > 1:
            return False
        return sum(map(self._needed_bytes, together)) <= slot.memory

    def _needed_bytes(self, kind: Kind) -> float:
        """Return the memory that a run of this kind needs, measured or estimated from similar kinds."""
        peak = self._peaks.get(kind)
        if peak is not None:
            return MEMORY_MARGIN * peak + CONTEXT_BYTES
        return UNMEASURED_MARGIN * max(self._similar_peaks(kind)) + CONTEXT_BYTES

    def _similar_peaks(self, kind: Kind) -> list[int]:
        """Return the measured peaks of the same method; else those of all runs, for a run; else all peaks."""
        peaks = self._peaks.items()
        same_method = [peak for other, peak in peaks if other.method == kind.method]
        same_sort = [peak for other, peak in peaks if other.prepares == kind.prepares]
        return same_method or same_sort or list(self._peaks.values())

    def begin(self, slot: DeviceSlot, kind: Kind) -> None:
        """Register a run of this kind that starts on the device."""
        self._running[slot].append(kind)

    def end(self, slot: DeviceSlot, kind: Kind) -> None:
        """Remove a run of this kind that has ended on the device."""
        self._running[slot].remove(kind)

    def record_peak(self, kind: Kind, peak: int) -> None:
        """Record the peak memory in bytes that a run of this kind has reached; the largest counts."""
        self._peaks[kind] = max(peak, self._peaks.get(kind, 0))
