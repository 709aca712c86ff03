"""Signals that ask a study to stop: it saves the run under way first, and a second one stops it at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from types import FrameType
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGUSR1")  # Ctrl-C, the system, Slurm before the end of its time
SAID = b"stopping after this update; once more stops at once.\n"


class StoppedError(BaseException):
    """A study that was asked to stop, and did; `exit_code` is 128 and the signal's number, as shells have it.

    Not an Exception, so that nothing takes it for a method's failure; not a KeyboardInterrupt, whose message and
    signal Typer would lose.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + number


class Interruptions:
    """Catches the signals within a `with` block; elsewhere than in the main thread it catches none.

    Between a first call of :meth:`asked` and :meth:`calm`, a signal is only noted: who asks is about to save its work.
    Otherwise, and at a second signal, StoppedError is raised where the program is.
    """

    def __init__(self) -> None:
        self._signal: int | None = None
        self._deferring = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruptions:
        if threading.current_thread() is threading.main_thread():
            for name in NAMES:
                number = getattr(signal, name, None)
                if (
                    number is not None
                ):  # installed even where a shell has told its background jobs to ignore it
                    self._before[number] = signal.signal(number, self._caught)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before.clear()

    def asked(self) -> bool:
        """Whether a signal has come. From here on one is waited for, not thrown."""
        self._deferring = True
        return self._signal is not None

    def calm(self) -> None:
        """Nobody asks any more: the next signal stops the program where it is. Raises StoppedError if one has come."""
        self._deferring = False
        if self._signal is not None:
            raise self.stopped("")

    def stopped(self, message: str) -> StoppedError:
        """The exception for the signal that has come."""
        return StoppedError(message, self._signal or signal.SIGINT)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        again = self._signal is not None
        self._signal = number
        if again or not self._deferring:
            raise StoppedError("", number)
        with contextlib.suppress(OSError):
            os.write(2, SAID)  # print is not safe in a signal handler
