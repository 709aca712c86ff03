"""The command line: parses and prints, decides nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from matekd_bench.errors import BenchError

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns 0, 1 where runs failed, 2 for bad input, 130 if it was interrupted.

    A BenchError is one line on stderr; with ``--debug``, which may stand anywhere, its traceback is shown.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    try:
        code = _dispatch([argument for argument in given if argument != "--debug"])
    except BenchError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        print("interrupted; runs that had finished are kept, the same command continues.", file=sys.stderr)
    return code


def _dispatch(arguments: list[str]) -> int:
    """Hands the arguments to Typer; what it has to complain about becomes a UsageError."""
    import typer

    from matekd_bench.cli.app import app
    from matekd_bench.cli.complaints import as_usage_error

    try:
        result = app(arguments, prog_name="matekd-bench", standalone_mode=False, obj=tuple(arguments))
    except typer.TyperException as error:
        raise as_usage_error(error) from error
    except typer.Abort:
        return INTERRUPTED
    return result if isinstance(result, int) else 0
