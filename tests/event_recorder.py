"""A sink for tests that keeps all events."""

from __future__ import annotations

from typing import TypeVar

from matekd_bench.events import Event

Kind = TypeVar("Kind", bound=Event)


class EventRecorder:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def all(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.events if isinstance(event, kind)]
