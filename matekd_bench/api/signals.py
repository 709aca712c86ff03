"""The exceptions with which a call ends that trains and is stopped by a signal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGINT

from matekd_bench.errors import LostProcessError, RunError, StoppedError


@contextmanager
def interrupts() -> Iterator[None]:
    """Turn a stopped study's StoppedError into the exception that Python raises for the signal."""
    try:
        yield
    except LostProcessError as lost:
        raise RunError(str(lost)) from None
    except StoppedError as stopped:
        if stopped.exit_code == 128 + SIGINT:
            raise KeyboardInterrupt(str(stopped)) from None
        raise SystemExit(stopped.exit_code) from None
