"""The boundary to foreign code: it raises Exceptions only, prints to stderr, and draws from generators lent to it."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress

from matekd_bench.errors import BenchError, EscapedError, StoppedError, one_line

_prints_to_stderr = False
# Re-entrant: a method that borrows the generators may call a wrapped method that does so too.
_LENT = threading.RLock()


@contextmanager
def foreign_code() -> Iterator[None]:
    """Contain code of a plugin in the block, so that a plugin costs no more than what it was asked for.

    Whatever it raises leaves the block as an Exception: SystemExit, a skipped test or its own KeyboardInterrupt as
    EscapedError. A signal passes. Where :func:`stdout_for_results` is in force, prints go to stderr.
    """
    try:
        with redirect_stdout(sys.stderr) if _prints_to_stderr else nullcontext():
            yield
    except (Exception, StoppedError):
        raise
    except BaseException as error:
        if _from_keyboard(error):
            raise
        raise EscapedError(type(error).__name__) from error


def _from_keyboard(error: BaseException) -> bool:
    """Return True for a KeyboardInterrupt that may be the user's.

    Where the suite handles signals, Ctrl-C raises StoppedError; Python itself interrupts only the main thread.
    """
    return (
        isinstance(error, KeyboardInterrupt)
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )


@contextmanager
def blamed(subject: str, kind: type[BenchError]) -> Iterator[None]:
    """Run code of a plugin; raise what it raises as a `kind` of error that says `subject: reason`.

    An error that is a BenchError already is passed on.
    """
    try:
        with foreign_code():
            yield
    except BenchError:
        raise
    except Exception as error:
        raise kind(f"{subject}: {one_line(error).rstrip('.')}.") from error


def raised_by_suite(error: BaseException) -> bool:
    """Return True if the suite's own code raised the error, not a plugin that uses the suite's classes."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    name = "" if step is None else str(step.tb_frame.f_globals.get("__name__"))
    return name.partition(".")[0] == __package__


@contextmanager
def lent_generators(seed: int, numpy_seed: int) -> Iterator[None]:
    """Seed the generators as :func:`reseeded` does, for one thread at a time: another one makes the batches."""
    with _LENT, reseeded(seed, numpy_seed):
        yield


@contextmanager
def reseeded(seed: int, numpy_seed: int) -> Iterator[None]:
    """Seed the global generators of `random` and `numpy.random`, and restore them after the block."""
    import numpy as np  # only where a method needs it: listing methods must be instant

    states = random.getstate(), np.random.get_state()
    try:
        random.seed(seed)
        np.random.seed(numpy_seed)
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


@contextmanager
def stdout_for_results(*, whole_process: bool) -> Iterator[None]:
    """Keep stdout for what the suite itself prints: in the block, what foreign code prints goes to stderr.

    With `whole_process` that holds to the end of the process, and for compiled libraries and other programs too.
    """
    global _prints_to_stderr
    before, _prints_to_stderr = _prints_to_stderr, True
    if whole_process:
        _move_stdout()
    try:
        yield
    finally:
        _prints_to_stderr = before


def _move_stdout() -> None:
    """Give `sys.stdout` a file descriptor of its own, and connect the usual one with stderr."""
    stdout = sys.stdout
    with suppress(AttributeError, OSError, ValueError):  # one of the two is closed
        stdout.flush()
        own = open(os.dup(1), "w", encoding=stdout.encoding, errors=stdout.errors)  # noqa: SIM115
        own.reconfigure(line_buffering=stdout.isatty())
        os.dup2(2, 1)
        sys.stdout = own
        sys.__stdout__ = own  # type: ignore[misc]  # shutil.get_terminal_size asks it for the width
