"""The boundary to code of plugins: what it raises is an Exception, and what it prints does not reach stdout."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from matekd_bench.errors import DataError, EscapedError, PluginError, ResultsError, StoppedError
from matekd_bench.foreign_code import blamed, foreign_code, raised_by_suite, stdout_for_results
from matekd_bench.study.execute.interrupts import Interruptions

NO_EXCEPTIONS = [
    SystemExit(3), GeneratorExit(), pytest.skip.Exception("not today"), BaseExceptionGroup("two", [SystemExit()])
]  # fmt: skip


@pytest.mark.parametrize("error", NO_EXCEPTIONS, ids=repr)
def test_what_is_no_exception_leaves_as_one(error: BaseException) -> None:
    with pytest.raises(EscapedError) as raised, foreign_code():
        raise error
    assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    "error", [ValueError("x"), DataError("x"), StopIteration(), StoppedError("", signal.SIGINT)]
)
def test_exceptions_and_signals_pass(error: BaseException) -> None:
    with pytest.raises(type(error)) as raised, foreign_code():
        raise error
    assert raised.value is error


def interrupt() -> type[BaseException] | None:
    """The kind of error that leaves the boundary for a KeyboardInterrupt."""
    try:
        with foreign_code():
            raise KeyboardInterrupt
    except BaseException as error:
        return type(error)


def test_an_interrupt_is_the_users_only_where_ctrl_c_would_raise_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.default_int_handler)
    assert interrupt() is KeyboardInterrupt
    seen = []
    thread = threading.Thread(target=lambda: seen.append(interrupt()))
    thread.start()
    thread.join()
    assert seen == [EscapedError]
    monkeypatch.undo()
    with Interruptions():
        assert interrupt() is EscapedError


def test_the_blamed_is_named_and_the_suites_own_errors_pass() -> None:
    named = r"'x' is tired: SystemExit: 3 \(test_foreign_code.py, line"
    with pytest.raises(PluginError, match=named), blamed("method 'x' is tired", PluginError):
        sys.exit(3)
    with pytest.raises(DataError), blamed("x", PluginError):
        raise DataError("no rows.")


def test_who_raised_an_error_of_the_suite_is_told_from_where(tmp_path: Path) -> None:
    with pytest.raises(ResultsError) as own:
        raise ResultsError("mine.")
    assert not raised_by_suite(own.value)
    with pytest.raises(DataError) as suites, blamed("x", DataError):
        raise ValueError
    assert raised_by_suite(suites.value)


def test_prints_go_to_stderr_only_where_stdout_is_for_results(capsys: pytest.CaptureFixture[str]) -> None:
    with foreign_code():
        print("to a notebook")
    with stdout_for_results(whole_process=False):
        with foreign_code():
            print("noise")
        print("result")
    with foreign_code():
        print("again")
    printed = capsys.readouterr()
    assert (printed.out.split("\n"), printed.err) == (["to a notebook", "result", "again", ""], "noise\n")


LOUD = """
import atexit, ctypes, os, subprocess, sys
from matekd_bench import Method, TextPerturbation, hookimpl

print("from python")
os.write(1, b"from a descriptor\\n")
subprocess.run(["echo", "from a program"])
ctypes.CDLL(None).puts(b"from a library")  # its buffer is written at the end of the process
atexit.register(print, "at the end", file=sys.stdout)

@hookimpl
def matekd_bench_methods():
    yield Method(name="loud", summary="Prints.", factory=TextPerturbation, level="text", version="1")
"""
SOURCES = ("from python", "from a descriptor", "from a program", "from a library", "at the end")


def test_the_stdout_of_a_command_is_what_the_command_prints(tmp_path: Path) -> None:
    plugin = tmp_path / "loud.py"
    plugin.write_text(LOUD)
    command = [sys.executable, "-m", "matekd_bench", "methods", "--json", "--plugin", str(plugin)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "loud" in {method["name"] for method in json.loads(ended.stdout)}
    assert [source for source in SOURCES if source not in ended.stderr] == []
