"""The errors that reach the user as one line."""

from __future__ import annotations

import sysconfig
from functools import partial
from pathlib import Path

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


class UnprintableError(Exception):
    def __str__(self):
        raise SystemExit(3)


def escaped(cause):
    try:
        raise errors.EscapedError from cause
    except errors.EscapedError as error:
        return error


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (UnprintableError(), "UnprintableError: its message"),
        (ValueError("word " * 1_000_000), "ValueError: word word"),
        (ValueError("half \ud800"), "ValueError: half ?"),
        (escaped(SystemExit("no lexicon")), "SystemExit: no lexicon"),
        (ExceptionGroup("both", [ExceptionGroup("inner", [KeyError("x")])]), "the first is KeyError: 'x'"),
        (errors.DataError("word " * 1_000_000), "word word"),
    ],
)
def test_the_strangest_errors_are_one_short_line(error, named):
    line = errors.one_line(error)
    assert named in line
    assert (len(line) < 1500, line.isprintable(), line.encode().decode() == line) == (True, True, True)
    assert len(errors.traceback_of(error)) < 30_000
