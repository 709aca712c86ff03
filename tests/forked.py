"""The command line in a process of its own that has the libraries loaded, since it is a fork of the test's process."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import IO, NoReturn

from matekd_bench.cli import main


class Forked:
    """A process that runs a command; of :class:`subprocess.Popen` what tests need.

    `before` is called in it first. Loading the libraries takes a new process many times as long as a tiny study.
    """

    def __init__(
        self, command: Sequence[str], environment: dict[str, str], before: Callable[[], None] = lambda: None
    ) -> None:
        self.returncode: int | None = None
        pipes = [os.pipe() for _ in range(2)]
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads: none works here
            self.pid = os.fork()
        if self.pid == 0:
            for (reading, writing), number in zip(pipes, (1, 2), strict=True):
                os.close(reading)
                os.dup2(writing, number)
            os.environ.update(environment)
            _run(command, before)
        for _, writing in pipes:
            os.close(writing)
        self.stdout, self.stderr = (_text(reading) for reading, _ in pipes)

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 200) -> tuple[str, str]:
        """What it still prints until it ends; one that takes longer is killed, which is an error."""
        said = ["", ""]

        def read(at: int, stream: IO[str]) -> None:
            with stream:
                said[at] = stream.read()

        readers = [
            threading.Thread(target=read, args=pair, daemon=True)
            for pair in enumerate((self.stdout, self.stderr))
        ]
        for reader in readers:
            reader.start()
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                self.kill()
                raise subprocess.TimeoutExpired("a fork", timeout)
            time.sleep(0.01)
        for reader in readers:
            reader.join()
        return said[0], said[1]


def _text(descriptor: int) -> IO[str]:
    return io.TextIOWrapper(io.FileIO(descriptor), encoding="utf-8")


def _run(command: Sequence[str], before: Callable[[], None]) -> NoReturn:
    code = 70
    try:
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        before()
        code = main(list(command))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def start(command: Sequence[str], *, before: Callable[[], None] = lambda: None, **environment: str) -> Forked:
    """Starts a command with these variables besides the environment's."""
    return Forked(command, environment, before)
