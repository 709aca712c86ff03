"""The errors that reach the user as one line."""

from __future__ import annotations

import pytest

from matekd_bench import errors


@pytest.mark.parametrize(
    "kind", ["UsageError", "DataError", "CheckpointError", "PluginError", "ResultsError", "RunError"]
)
def test_bad_input_exits_with_two_and_a_failed_run_with_one(kind):
    error = getattr(errors, kind)("x")
    assert isinstance(error, errors.BenchError)
    assert error.exit_code == (1 if kind == "RunError" else 2)


@pytest.mark.parametrize(
    ("name", "known", "named"),
    [
        ("matkd", ["kd", "matekd", "eda"], "'matekd'"),
        ("xyzzy", ["rte", "cola"], "cola, rte"),  # resembles nothing: all, in order
        ("glue", [], "none"),
    ],
)
def test_an_unknown_name_names_its_nearest_match_and_the_command(name, known, named):
    said = str(errors.unknown("name", name, known, command="matekd-bench methods"))
    assert [part for part in (f"'{name}'", named, "'matekd-bench methods'") if part not in said] == []


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
