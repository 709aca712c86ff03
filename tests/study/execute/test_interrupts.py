"""Signals: noted while somebody saves, thrown otherwise, and always thrown the second time."""

from __future__ import annotations

import signal
import threading

import pytest

from event_recorder import EventRecorder
from matekd_bench.errors import StoppedError
from matekd_bench.events import StopRequested
from matekd_bench.study.execute.interrupts import Interruptions

CODES = [("SIGINT", 130), ("SIGTERM", 143), ("SIGUSR1", 128 + signal.SIGUSR1)]


@pytest.mark.parametrize(("name", "code"), CODES)
def test_a_signal_stops_what_nobody_saves_and_waits_for_who_asks_about_it(name: str, code: int) -> None:
    with Interruptions(), pytest.raises(StoppedError) as stopped:
        signal.raise_signal(getattr(signal, name))
    assert (stopped.value.exit_code, isinstance(stopped.value, Exception)) == (code, False)
    recorder = EventRecorder()
    with Interruptions(recorder) as interruptions:
        assert not interruptions.stop_requested()
        signal.raise_signal(getattr(signal, name))
        assert interruptions.stop_requested()
        assert interruptions.stopped_error("saved").exit_code == code
        with pytest.raises(StoppedError):
            signal.raise_signal(signal.SIGINT)
    assert recorder.events == [StopRequested()]


def test_after_a_run_signals_are_thrown_again() -> None:
    with Interruptions() as interruptions:
        interruptions.stop_requested()
        interruptions.end_deferral()
        with pytest.raises(StoppedError):
            signal.raise_signal(signal.SIGTERM)


def test_a_signal_at_the_end_of_a_run_is_not_forgotten() -> None:
    with Interruptions() as interruptions:
        interruptions.stop_requested()
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(StoppedError) as stopped:
            interruptions.end_deferral()
    assert stopped.value.exit_code == 143


def test_handlers_are_put_back_even_if_signals_were_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for its background jobs
    try:
        with Interruptions(), pytest.raises(StoppedError):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_catches_nothing() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def inside() -> None:
        with Interruptions():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [before]
