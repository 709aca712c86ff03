"""Handles signals that ask a study to stop: after the first the run saves itself, a second stops it at once."""

from __future__ import annotations

import _thread
import signal
import threading
from types import FrameType
from typing import Any

from matekd_bench.errors import StoppedError
from matekd_bench.events import Sink, StopRequested

SIGNAL_NAMES = ("SIGINT", "SIGTERM", "SIGUSR1")  # Ctrl-C, the system, Slurm shortly before the time limit


class Interruptions:
    """Signal handlers that are active within a `with` block; outside the main thread none is installed.

    The first call of :meth:`stop_requested` starts deferral: because the caller polls and will save its work, a signal
    is only noted and reported to `sink`. :meth:`end_deferral` ends deferral. Without deferral, and for a second signal,
    the handler raises StoppedError.
    """

    def __init__(self, sink: Sink = Sink()) -> None:
        self._sink = sink
        self._received: int | None = None
        self._deferring = False
        self._previous_handlers: dict[int, Any] = {}
        self._end: StoppedError | None = None

    def __enter__(self) -> Interruptions:
        if threading.current_thread() is threading.main_thread():
            for name in SIGNAL_NAMES:
                number = getattr(signal, name, None)  # Windows has no SIGUSR1
                # Installed even if the signal is ignored, because shells make background jobs ignore SIGINT.
                if number is not None:
                    self._previous_handlers[number] = signal.signal(number, self._handle_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._previous_handlers.clear()

    def stop_requested(self) -> bool:
        """Return True if a signal has come; defer signals from now on."""
        self._deferring = True
        return self._received is not None

    @property
    def received(self) -> bool:
        """True if a signal has come."""
        return self._received is not None

    def end_deferral(self) -> None:
        """End deferral: the next signal raises StoppedError at once. Raise it now if a signal has already come."""
        self._deferring = False
        if self._received is not None:
            raise self.stopped_error("")

    def stopped_error(self, message: str) -> StoppedError:
        """Return the exception for the received signal, or for SIGINT if there was none."""
        return StoppedError(message, self._received or signal.SIGINT)

    def end_study(self, error: StoppedError) -> None:
        """Make the main thread raise `error` at once; called from another thread."""
        self._end = error
        _thread.interrupt_main(signal.SIGTERM)

    def _handle_signal(self, number: int, frame: FrameType | None) -> None:
        if self._end is not None:
            error, self._end = self._end, None
            raise error
        repeated = self._received is not None
        self._received = number
        if repeated or not self._deferring:
            raise StoppedError("", number)
        self._sink.emit(StopRequested())
