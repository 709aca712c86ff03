"""The errors that reach the user as one line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from matekd_bench import errors


def test_a_hint_follows_the_message():
    error = errors.UsageError("budget is -1, at least 1 is allowed.", hint="See --budget.")
    assert str(error) == "budget is -1, at least 1 is allowed. See --budget."
    assert (error.message, error.hint) == ("budget is -1, at least 1 is allowed.", "See --budget.")


@pytest.mark.parametrize(
    "kind", ["UsageError", "DataError", "CheckpointError", "PluginError", "ResultsError"]
)
def test_bad_input_exits_with_two(kind):
    error = getattr(errors, kind)("x")
    assert isinstance(error, errors.BenchError)
    assert error.exit_code == 2


def test_a_run_that_failed_exits_with_one():
    assert errors.RunError("x").exit_code == 1


def test_an_unknown_name_names_its_nearest_match_and_the_command():
    error = errors.unknown("method", "matkd", ["kd", "matekd", "eda"], command="matekd-bench methods")
    assert str(error) == "unknown method 'matkd': did you mean 'matekd'? 'matekd-bench methods' lists them."


def test_an_unknown_name_that_resembles_nothing_gets_all_names_in_order():
    assert (
        str(errors.unknown("task", "xyzzy", ["rte", "cola"])) == "unknown task 'xyzzy': there are cola, rte."
    )


def test_an_unknown_name_where_there_is_none():
    assert str(errors.unknown("suite", "glue", [])) == "unknown suite 'glue': there are none."


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (KeyError("x"), "KeyError: 'x'"),
        (ValueError("two\n lines"), "ValueError: two lines"),
        (StopIteration(), "StopIteration"),
        (errors.DataError("no file.", hint="Give one."), "no file. Give one."),
        (errors.DataError(""), "no reason given"),
    ],
)
def test_any_error_is_one_line_and_the_suites_own_have_no_type(error, line):
    assert errors.one_line(error) == line


def test_the_command_line_starts_without_pydantic():
    code = "import sys, matekd_bench.errors; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
