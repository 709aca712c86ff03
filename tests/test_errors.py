"""The errors that reach the user as one line."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from functools import partial
from pathlib import Path

import pytest

from matekd_bench import errors


def test_a_hint_follows_the_message():
    error = errors.UsageError("budget is -1, at least 1 is allowed.", hint="See --budget.")
    assert str(error) == "budget is -1, at least 1 is allowed. See --budget."
    assert (error.message, error.hint) == ("budget is -1, at least 1 is allowed.", "See --budget.")


def test_without_a_hint_the_message_stands_alone():
    assert str(errors.DataError("no file 'dev.tsv'.")) == "no file 'dev.tsv'."


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


SITE = Path(sysconfig.get_paths()["purelib"])
CORE = ("/x/matekd_bench/trainer.py", "matekd_bench")
PLUGIN = ("/home/me/my_method.py", "my_method")
INSTALLED = (SITE / "theirs" / "method.py", "theirs.method")
TORCH = (SITE / "torch" / "nn.py", "torch.nn")


@pytest.mark.parametrize(
    ("places", "file"),
    [
        ((CORE, PLUGIN, CORE, TORCH), "my_method.py"),
        ((CORE, INSTALLED, TORCH), "method.py"),
        ((CORE, TORCH, TORCH), "nn.py"),
        ((CORE,), "trainer.py"),
    ],
)
def test_the_line_of_a_foreign_error_ends_with_the_place_to_look_at(places, file):
    call = partial(pow, 0, -1)
    for name, module in reversed(places):
        space = {"__name__": module}
        exec(compile("def run(call):\n    return call()\n", str(name), "exec"), space)
        call = partial(space["run"], call)
    with pytest.raises(ZeroDivisionError) as caught:
        call()
    error = caught.value.with_traceback(caught.value.__traceback__.tb_next)  # without this test's own frame
    line = errors.one_line(error)
    assert line.startswith("ZeroDivisionError: ")
    assert line.endswith(f" ({file}, line 2)")


def test_a_syntax_error_names_its_place_once():
    with pytest.raises(SyntaxError) as caught:
        compile("a b", "x.py", "exec")
    assert errors.one_line(caught.value).count("line 1") == 1
