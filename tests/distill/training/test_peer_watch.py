"""Processes that train together notice when one of them is gone."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import torch.distributed

from matekd_bench.distill.training import peer_watch
from matekd_bench.distill.training.peer_watch import PeerWatch

SOON = 20.0  # seconds in which a watch says what it is asked for; a silent one fails the test


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_watch, "BEAT_SECONDS", 0.01)


@pytest.fixture
def store() -> torch.distributed.HashStore:
    return torch.distributed.HashStore()


@contextmanager
def watch(
    store: torch.distributed.Store, rank: int, *, died: Callable[[], str | None] = lambda: None
) -> Iterator[tuple[PeerWatch, queue.Queue[str]]]:
    """The watch of one of three processes, and what it reports."""
    reported: queue.Queue[str] = queue.Queue()
    watched = PeerWatch(store, rank, 3, died=died, on_lost=reported.put)
    try:
        yield watched, reported
    finally:
        watched.close()


def test_who_knows_of_a_death_tells_all(store: torch.distributed.HashStore) -> None:
    reasons = iter([None, None, "process 3 of 3 died"])
    with (
        watch(store, 0, died=lambda: next(reasons)) as (first, reported),
        watch(store, 1) as (second, also_reported),
    ):
        assert first.wait(SOON) == second.wait(SOON) == "process 3 of 3 died"
        assert reported.get(timeout=SOON) == also_reported.get(timeout=SOON) == first.reason


def test_a_process_that_falls_silent_is_lost(
    store: torch.distributed.HashStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_watch, "SUSPECT_SECONDS", 0.5)
    with watch(store, 0) as (first, _), watch(store, 2):
        with watch(store, 1):
            assert first.wait(0.0) is None
        assert first.wait(0.7) is None  # LOST_SECONDS are longer
        first.suspect()
        assert str(first.wait(SOON)).startswith("process 2 of 3")


def test_nobody_is_lost_while_all_send_signs_of_life(
    store: torch.distributed.HashStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_watch, "LOST_SECONDS", 3.0)
    with watch(store, 0) as (first, _), watch(store, 1) as (second, _), watch(store, 2):
        for beat in ("beat-0", "beat-1", "beat-2"):
            while not store.check([beat]) or int(store.get(beat)) < 30:
                second.wait(0.01)
        assert (first.reason, second.reason) == (None, None)


def test_without_its_store_a_process_knows_that_the_first_is_gone() -> None:
    server = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    client = torch.distributed.TCPStore(
        "127.0.0.1", server.port, is_master=False, timeout=timedelta(seconds=5)
    )
    with watch(client, 1) as (second, _):
        while not client.check(["beat-1"]):
            assert second.wait(0.01) is None
        del server
        assert str(second.wait(SOON)).startswith("process 1 of 3")
