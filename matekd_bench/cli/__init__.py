"""The command line: parses arguments, calls the package, and prints results."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence

from matekd_bench.errors import BenchError, StoppedError, file_problem
from matekd_bench.files.printable import one_line
from matekd_bench.foreign_code import stdout_for_results
from matekd_bench.gc_pause import gc_paused
from matekd_bench.screen.escaped_streams import escaped_streams
from matekd_bench.study import make_openmp_threads_sleep
from matekd_bench.study.execute.interrupts import Interruptions

INTERRUPTED = 130
# A path, or an option with one, in which the shell has not replaced `~`.
HOME = re.compile(r"(--[a-z-]+=)?(~[\w.-]*/.*)", re.DOTALL)
INTERRUPTION = "interrupted; finished runs are kept; run the same command to resume."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    The code is 0 for success, 1 for failed runs and 2 for bad input. It is 130 after Ctrl-C and 143 after a termination
    signal. A BenchError, or an OSError that names a file, prints one line on stderr. With ``--debug`` anywhere among
    the arguments, such an error is raised instead, and its traceback is shown, as are those of failed runs.
    """
    with stdout_for_results(whole_process=arguments is None), escaped_streams():
        return _main(list(sys.argv[1:] if arguments is None else arguments))


def _main(argv: list[str]) -> int:
    debug = "--debug" in argv
    _drop_invalid_widths()
    if (folder := os.environ.get("GLUE_DIR")) is not None:
        os.environ["GLUE_DIR"] = os.path.expanduser(folder)
    make_openmp_threads_sleep()
    try:
        typed = [_from_home(argument) for argument in argv if argument != "--debug"]
        with Interruptions():
            code = _dispatch(typed, debug=debug)
    except BenchError as error:
        if debug:
            raise
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if debug or error.filename is None:
            raise
        problem = one_line(file_problem(error.filename, error, "use"))
        print(f"error: {problem} --debug shows where.", file=sys.stderr)
        return BenchError.exit_code
    except StoppedError as stopped:
        print(str(stopped) or INTERRUPTION, file=sys.stderr)
        return stopped.exit_code
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        print(INTERRUPTION, file=sys.stderr)
    return code


def _from_home(argument: str) -> str:
    """Return an argument with `~` as the home folder; shells do not replace it in quotes and in ``--option=~/path``."""
    path = HOME.fullmatch(argument)
    return argument if path is None else f"{path[1] or ''}{os.path.expanduser(path[2])}"


def _drop_invalid_widths() -> None:
    """Remove screen widths that are not positive numbers from the environment: rich would print nothing, or fail."""
    for name in ("COLUMNS", "TERMINAL_WIDTH"):
        value = os.environ.get(name)
        if value is not None and not (value.isdecimal() and int(value)):
            del os.environ[name]


def _dispatch(arguments: list[str], *, debug: bool) -> int:
    """Let Typer run the command and return its exit code; raise Typer's errors as UsageError.

    With `debug` the option comes first, where Typer expects it, but it is not part of the command that records keep.
    """
    # The objects of Typer and rich stay: searching them for cycles would take a tenth of the start.
    with gc_paused():
        import typer

        from matekd_bench.cli.app import application
        from matekd_bench.cli.usage_errors import as_usage_error

        command = application()
    try:
        typed = ["--debug", *arguments] if debug else arguments
        result = command(typed, prog_name="matekd-bench", standalone_mode=False, obj=tuple(arguments))
    except typer.TyperException as error:
        raise as_usage_error(error) from error
    except typer.Abort:
        return INTERRUPTED
    return result if isinstance(result, int) else 0
