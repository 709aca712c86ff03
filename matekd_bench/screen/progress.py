"""The progress of a study: live bars on a terminal, plain lines elsewhere, only warnings with ``--quiet``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from matekd_bench.events import Message, Sink
from matekd_bench.screen.bar_screen import BarScreen
from matekd_bench.screen.plain_screens import LineScreen, QuietScreen


@contextmanager
def watcher(
    *, quiet: bool = False, verbose: bool = False, debug: bool = False, stream: TextIO | None = None
) -> Iterator[Sink]:
    """Yield the sink for the options: bars on a terminal, else lines.

    `stream` is stderr by default, so that stdout holds only the result. In a notebook, which shows stderr as an error,
    it is stdout.
    """
    stream = stream or (sys.stdout if in_notebook() else sys.stderr)
    details = verbose or debug
    if quiet:
        yield QuietScreen(stream, details=debug)
    elif draws_bars(stream):
        with BarScreen(stream, verbose=verbose, details=details) as screen:
            yield screen
    else:
        yield LineScreen(stream, verbose=verbose, details=details)


def in_notebook() -> bool:
    """Return True in a cell of a Jupyter notebook."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None


def draws_bars(stream: TextIO) -> bool:
    """Return True for a terminal that can move its cursor, so that bars can be drawn over."""
    return stream.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


@contextmanager
def loading(*, quiet: bool = False) -> Iterator[None]:
    """Show a bar on a terminal while the libraries are loaded; elsewhere nothing, because the study may be refused."""
    if quiet or not draws_bars(sys.stderr):
        yield
        return
    with BarScreen(sys.stderr, verbose=False) as screen:
        screen.emit(Message(kind="stage", text="loading libraries"))
        yield
