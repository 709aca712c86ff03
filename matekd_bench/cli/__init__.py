"""The command line: parses and prints, decides nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from matekd_bench.errors import BenchError
from matekd_bench.study.execute.interrupts import StoppedError

INTERRUPTED = 130
INTERRUPTION = "interrupted; finished runs are kept; run the same command to resume."


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns 0, 1 where runs failed, 2 for bad input, 130 (143) if it was interrupted (ended).

    A BenchError, or a file that the system refuses, is one line on stderr; with ``--debug``, which may stand
    anywhere, its traceback is shown.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    _forget_useless_widths()
    _wait_asleep()
    try:
        code = _dispatch([argument for argument in given if argument != "--debug"])
    except BenchError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if debug or error.filename is None:
            raise
        print(f"error: '{error.filename}': {error.strerror}. --debug shows where.", file=sys.stderr)
        return BenchError.exit_code
    except StoppedError as stopped:
        print(str(stopped) or INTERRUPTION, file=sys.stderr)
        return stopped.exit_code
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        print(INTERRUPTION, file=sys.stderr)
    return code


def _forget_useless_widths() -> None:
    """Takes a screen width that is no number or zero out of the environment: rich would print nothing, or fail."""
    for name in ("COLUMNS", "TERMINAL_WIDTH"):
        value = os.environ.get(name)
        if value is not None and not (value.isdecimal() and int(value)):
            del os.environ[name]


def _wait_asleep() -> None:
    """Has OpenMP's threads sleep while they wait for each other, unless the user has said how they should wait.

    By default they spin. Beside another process those that wait keep the cores from those that work, and training
    takes ten times as long; alone on a machine there is no difference. Read when torch is loaded, which is later.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _dispatch(arguments: list[str]) -> int:
    """Hands the arguments to Typer; what it has to complain about becomes a UsageError."""
    import typer

    from matekd_bench.cli.app import application
    from matekd_bench.cli.usage_errors import as_usage_error

    try:
        result = application()(
            arguments, prog_name="matekd-bench", standalone_mode=False, obj=tuple(arguments)
        )
    except typer.TyperException as error:
        raise as_usage_error(error) from error
    except typer.Abort:
        return INTERRUPTED
    return result if isinstance(result, int) else 0
